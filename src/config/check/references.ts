import type { Path } from "../read/positions.ts";
import type { Problems } from "../read/problems.ts";
import { quote, suggestion } from "../read/suggestions.ts";
import type { Raw } from "./sections.ts";

const SECTION_OF = { issuer: "issuers", solver: "solvers", targets: "targets" } as const;
type Reference = keyof typeof SECTION_OF;
/** What each reference may name. */
type Defined = Readonly<Record<Reference, ReadonlySet<string>>>;

/**
 * Checks every name that points to another section. Works on the file as written, so that a certificate or target that
 * is wrong in some other way neither hides a mistyped reference nor makes a right one look wrong. `isWhole`: every
 * certificate is there. Those that are `known` to be right are left out.
 */
export function checkReferences(
  raw: Raw,
  problems: Problems,
  isWhole: boolean,
  known: ReadonlyMap<string, unknown>,
): void {
  const namesIn = (section: string): ReadonlySet<string> => new Set(Object.keys(mapping(raw[section])));
  const defined: Defined = { issuer: namesIn("issuers"), solver: namesIn("solvers"), targets: namesIn("targets") };
  const defaults = mapping(raw.defaults);
  const commonTargets = targetsOf(defaults) ?? [];
  checkNames(defaults, ["defaults"], defined, problems);
  checkAlerts(raw, problems);
  if (isWhole) checkSpecial(raw, problems);
  checkDiscovery(raw, problems);
  const checkVantage = vantageCheck(raw, problems);
  checkVantages(raw, checkVantage);
  for (const [client, written] of Object.entries(mapping(mapping(raw.web).httpreq))) {
    const { solver } = mapping(written);
    if (typeof solver === "string") checkOne("solver", solver, ["web", "httpreq", client, "solver"], defined, problems);
  }
  const certificates = mapping(raw.certificates);
  for (const name of Object.keys(certificates)) {
    if (known.has(name)) continue;
    const path = ["certificates", name];
    const certificate = mapping(certificates[name]);
    checkNames(certificate, path, defined, problems);
    for (const key of Object.keys(SECTION_OF) as Reference[]) {
      if (key === "issuer" && (certificate.issuers !== undefined || defaults.issuers !== undefined)) continue;
      if (key === "targets" && (certificate.waves !== undefined || defaults.waves !== undefined)) continue;
      if (certificate[key] === undefined && defaults[key] === undefined) {
        problems.add(
          path,
          () => `names no ${key.replace(/s$/, "")}: set \`${key}\` here or in \`defaults\`${choice(defined[key])}`,
          "key",
        );
      }
    }
    checkEndpointTargets(certificate, targetsOf(certificate) ?? commonTargets, path, problems);
    checkEndpointVantages(certificate, path, checkVantage);
  }
}

/** Channels of routes, steps and the weekly report. */
function checkAlerts(raw: Raw, problems: Problems): void {
  const alerts = mapping(raw.alerts);
  const channels = Object.keys(mapping(raw.notifications));
  for (const key of ["escalation", "routes"] as const) {
    const entries: readonly unknown[] = Array.isArray(alerts[key]) ? alerts[key] : [];
    for (const [i, entry] of entries.entries()) {
      for (const [j, name] of texts(mapping(entry).channels).entries()) {
        if (name === undefined || channels.includes(name)) continue;
        const path = ["alerts", key, i, "channels", j];
        problems.add(path, () => `${quote(name)} is not defined under \`notifications\`${suggestion(name, channels)}`);
      }
    }
  }
  checkReport(raw, channels, problems);
}

/** The canary, and what exercises break. */
function checkSpecial(raw: Raw, problems: Problems): void {
  const certificates = mapping(raw.certificates);
  for (const section of ["canary", "exercise"] as const) {
    const { certificate } = mapping(raw[section]);
    if (typeof certificate !== "string" || Object.hasOwn(certificates, certificate)) continue;
    problems.add(
      [section, "certificate"],
      () =>
        `${quote(certificate)} is not defined under \`certificates\`${suggestion(certificate, Object.keys(certificates))}`,
    );
  }
}

/** The weekly report is HTML and text: only mail carries both. */
function checkReport(raw: Raw, channels: readonly string[], problems: Problems): void {
  const { channel } = mapping(raw.report);
  if (typeof channel !== "string") return;
  const { type } = mapping(mapping(raw.notifications)[channel]);
  const path = ["report", "channel"];
  if (!channels.includes(channel))
    problems.add(
      path,
      () => `${quote(channel)} is not defined under \`notifications\`${suggestion(channel, channels)}`,
    );
  else if (type !== "smtp") problems.add(path, `${quote(channel)} is no channel of type \`smtp\`: name one that is`);
}

type VantageCheck = (name: string | undefined, path: Path) => void;

function vantageCheck(raw: Raw, problems: Problems): VantageCheck {
  const vantages = texts(raw.vantages).filter((each) => each !== undefined);
  return (name, path) => {
    if (name !== undefined && !vantages.includes(name))
      problems.add(path, () => `${quote(name)} is not listed under \`vantages\`${suggestion(name, vantages)}`);
  };
}

/** Of this file's processes, and of what is watched. */
function checkVantages(raw: Raw, check: VantageCheck): void {
  if (typeof raw.vantage === "string") check(raw.vantage, ["vantage"]);
  for (const [name, written] of Object.entries(mapping(raw.watch)))
    for (const [j, each] of texts(mapping(written).vantages).entries()) check(each, ["watch", name, "vantages", j]);
}

function checkEndpointVantages({ endpoints }: Raw, path: Path, check: VantageCheck): void {
  if (!Array.isArray(endpoints)) return;
  for (const [i, endpoint] of endpoints.entries())
    if (typeof endpoint === "object")
      for (const [j, each] of texts(mapping(endpoint).vantages).entries())
        check(each, [...path, "endpoints", i, "vantages", j]);
}

/** Solvers that list the names of zones. */
function checkDiscovery(raw: Raw, problems: Problems): void {
  const solvers = Object.keys(mapping(raw.solvers));
  for (const [i, name] of texts(mapping(mapping(raw.discovery).zones).solvers).entries()) {
    if (name === undefined || solvers.includes(name)) continue;
    const path = ["discovery", "zones", "solvers", i];
    problems.add(path, () => `${quote(name)} is not defined under \`solvers\`${suggestion(name, solvers)}`);
  }
}

function checkNames(holder: Raw, path: Path, defined: Defined, problems: Problems): void {
  for (const key of ["issuer", "solver"] as const) {
    const name = holder[key];
    if (typeof name === "string") checkOne(key, name, [...path, key], defined, problems);
  }
  const solvers = texts(holder.solver);
  for (const [i, name] of solvers.entries()) {
    if (name === undefined) continue;
    checkOne("solver", name, [...path, "solver", i], defined, problems);
    if (solvers.indexOf(name) < i) problems.add([...path, "solver", i], `${quote(name)} is listed twice: remove one`);
  }
  if (holder.issuer !== undefined && holder.issuers !== undefined)
    problems.add([...path, "issuers"], "cannot be used beside `issuer`: keep one of them", "key");
  const issuers = texts(holder.issuers);
  for (const [i, name] of issuers.entries()) {
    if (name === undefined) continue;
    checkOne("issuer", name, [...path, "issuers", i], defined, problems);
    if (issuers.indexOf(name) < i) problems.add([...path, "issuers", i], `${quote(name)} is listed twice: remove one`);
  }
  if (holder.targets !== undefined && holder.waves !== undefined)
    problems.add(
      [...path, "targets"],
      "cannot be used beside `waves`, which name the targets: keep one of them",
      "key",
    );
  const seen = new Set<string>();
  for (const { names, at } of targetLists(holder)) {
    for (const [i, name] of names.entries()) {
      if (name === undefined) continue;
      checkOne("targets", name, [...path, ...at, i], defined, problems);
      if (seen.has(name)) problems.add([...path, ...at, i], `${quote(name)} is listed twice: remove one`);
      seen.add(name);
    }
  }
}

/** `targets`, or those of each wave, with their places. */
function targetLists({
  targets,
  waves,
}: Raw): { readonly names: readonly (string | undefined)[]; readonly at: Path }[] {
  const staged = Array.isArray(waves)
    ? waves.map((wave, i) => ({ names: texts(mapping(wave).targets), at: ["waves", i, "targets"] }))
    : [];
  return targets === undefined ? staged : [{ names: texts(targets), at: ["targets"] }];
}

/** undefined: names none. */
function targetsOf(holder: Raw): readonly (string | undefined)[] | undefined {
  return holder.targets === undefined && holder.waves === undefined
    ? undefined
    : targetLists(holder).flatMap(({ names }) => names);
}

function checkOne(key: Reference, name: string, path: Path, defined: Defined, problems: Problems): void {
  if (!defined[key].has(name))
    problems.add(
      path,
      () => `${quote(name)} is not defined under \`${SECTION_OF[key]}\`${suggestion(name, [...defined[key]])}`,
    );
}

function checkEndpointTargets(
  certificate: Raw,
  targets: readonly (string | undefined)[],
  path: Path,
  problems: Problems,
): void {
  const endpoints = certificate.endpoints;
  if (!Array.isArray(endpoints)) return;
  for (const [i, endpoint] of endpoints.entries()) {
    const { target } = mapping(endpoint);
    if (typeof target !== "string" || targets.includes(target)) continue;
    const own = targets.filter((name) => name !== undefined);
    problems.add(
      [...path, "endpoints", i, "target"],
      () => `${quote(target)} is none of this certificate's targets${suggestion(target, own)}`,
    );
  }
}

function choice(names: ReadonlySet<string>): string {
  return names.size === 0 ? "" : `; defined: ${[...names].slice(0, 12).map(quote).join(", ")}`;
}

function mapping(value: unknown): Raw {
  // Any object's members are unknown.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}

/** Keeps positions: what is no text is left as a hole. */
function texts(value: unknown): (string | undefined)[] {
  return Array.isArray(value) ? value.map((item) => (typeof item === "string" ? item : undefined)) : [];
}
