import type { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { HttpreqClient } from "../../domain/httpreqClient.ts";
import { type Identifier, identifiersKey } from "../../domain/identifier.ts";
import { canSolve, provesDomain } from "../../domain/solverChoice.ts";
import type { PluginConfig, SolverConfig, TargetConfig } from "../config.ts";
import type { Problems } from "../read/problems.ts";
import { quote } from "../read/suggestions.ts";
import type { issuerSchema } from "../schema/issuer.ts";
import { namesMaxOf } from "../schema/limits.ts";
import type { DeployerPlugin } from "../schema/registries.ts";
import type { Draft } from "./certificates.ts";
import { type Entry, mappingOf, type Raw } from "./sections.ts";

export interface CheckedSections {
  readonly certificates: readonly Draft[];
  /** Those of them that nobody has checked before. */
  readonly changed: readonly Draft[];
  /** All of them as written. */
  readonly written: Raw;
  readonly issuers: ReadonlyMap<string, Entry<z.output<typeof issuerSchema>>>;
  readonly solvers: ReadonlyMap<string, Entry<SolverConfig>>;
  readonly targets: ReadonlyMap<string, Entry<TargetConfig>>;
  /** `web.httpreq`, by user name. */
  readonly clients: Readonly<Record<string, HttpreqClient>>;
}

type Rule = (sections: CheckedSections, problems: Problems) => void;

/** What no single entry can know of itself. */
const RULES: readonly Rule[] = [
  namesAreDistinct,
  namesFitIssuers,
  servedTargetsHaveEndpoints,
  certificatesAreDistinct,
  solversFitNames,
  solversFitClients,
  ownRequestsAreFixed,
  targetsAreNotShared,
];

export function checkRules(sections: CheckedSections, problems: Problems): void {
  for (const rule of RULES) rule(sections, problems);
}

function namesAreDistinct({ changed }: CheckedSections, problems: Problems): void {
  for (const { name, identifiers } of changed) {
    if (identifiers.length < 2 || (identifiers.length === 2 && identifiers[0]?.value !== identifiers[1]?.value))
      continue;
    const seen = new Set<string>();
    for (const [i, { value }] of identifiers.entries()) {
      if (seen.has(value))
        problems.add(["certificates", name, "names", i], `${quote(value)} is listed twice: remove one`);
      seen.add(value);
    }
  }
}

/** A fallback must be able to certify all names as well. */
function namesFitIssuers({ changed, issuers }: CheckedSections, problems: Problems): void {
  for (const { name, identifiers, issuer, fallbacks } of changed) {
    for (const each of [issuer, ...fallbacks]) {
      const definition = issuers.get(each)?.value;
      const max = definition && (definition.namesMax ?? namesMaxOf(definition.directory));
      if (max == null || identifiers.length <= max) continue;
      problems.add(
        ["certificates", name, "names"],
        `has ${identifiers.length} names, but issuer ${quote(each)} certifies at most ${max} in one certificate: ` +
          `split the certificate, or correct \`issuers.${each}.namesMax\``,
      );
    }
  }
}

function servedTargetsHaveEndpoints({ changed, written, targets }: CheckedSections, problems: Problems): void {
  for (const { name, targets: names } of changed) {
    const served = names.find((target) => targets.get(target)?.value.served);
    // Endpoints that are wrong are reported already.
    if (served === undefined || !namesNoEndpoint(written[name])) continue;
    problems.add(
      ["certificates", name, "endpoints"],
      "needs at least one endpoint: renewd calls a renewal succeeded only after a handshake with what clients meet " +
        `(if no client meets target ${quote(served)}, set \`targets.${served}.served: false\`)`,
    );
  }
}

function namesNoEndpoint(written: unknown): boolean {
  const certificate = mappingOf(written);
  if (certificate === null) return false;
  const { endpoints } = certificate;
  return endpoints === undefined || (Array.isArray(endpoints) && endpoints.length === 0);
}

/** Two certificates that ask one CA for the same thing renew twice as often, into its duplicate limit. */
function certificatesAreDistinct({ certificates }: CheckedSections, problems: Problems): void {
  const seen = new Map<string, string>();
  for (const { name, identifiers, keyType, issuer } of sharingNames(certificates)) {
    const key = [issuer, keyType, identifiersKey(identifiers)].join(" ");
    const first = seen.get(key);
    if (first !== undefined) {
      const where = `certificates.${first} ${problems.whereIs(["certificates", first], ["certificates", name])}`;
      problems.add(
        ["certificates", name],
        `has the same names, key type and issuer as ${where}: keep one and give it the targets of both`,
        "key",
      );
    } else seen.set(key, name);
  }
}

/** Those of which another has the same name as the first of the alphabet: most have names of their own. */
function sharingNames(certificates: readonly Draft[]): Draft[] {
  const firstOf = ({ identifiers }: Draft): string | undefined => {
    let first = identifiers[0]?.value;
    for (const { value } of identifiers) if (first !== undefined && value < first) first = value;
    return first;
  };
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const draft of certificates) {
    const first = firstOf(draft);
    if (first !== undefined && seen.has(first)) shared.add(first);
    else if (first !== undefined) seen.add(first);
  }
  return shared.size === 0 ? [] : certificates.filter((draft) => shared.has(firstOf(draft) ?? ""));
}

/** Each name needs a solver that can answer for it. */
function solversFitNames({ changed, solvers }: CheckedSections, problems: Problems): void {
  for (const { name, identifiers, solvers: listed } of changed) {
    const known = listed.flatMap((solver) => {
      const { plugin, zones = [] } = solvers.get(solver)?.value ?? {};
      return plugin?.challengeType === undefined ? [] : [{ solver, zones, challengeType: plugin.challengeType }];
    });
    // One that is wrong by itself might fit.
    if (known.length < listed.length) continue;
    for (const [i, identifier] of identifiers.entries()) {
      if (known.some((each) => canSolve(each, identifier))) continue;
      problems.add(["certificates", name, "names", i], whyUnsolved(identifier, known));
    }
  }
}

function solversFitClients({ clients, solvers }: CheckedSections, problems: Problems): void {
  for (const [client, { solver, zones, delegated }] of Object.entries(clients)) {
    const { plugin, zones: owned = [] } = solvers.get(solver)?.value ?? {};
    const path = ["web", "httpreq", client];
    const challengeType = plugin?.challengeType;
    if (challengeType === undefined) continue;
    if (!provesDomain(challengeType)) {
      problems.add([...path, "solver"], `solver ${quote(solver)} answers ${challengeType}: name one for dns-01`);
      continue;
    }
    for (const [key, names] of Object.entries({ zones, delegated }))
      for (const [i, value] of names.entries())
        if (!canSolve({ zones: owned, challengeType }, { type: "dns", value }))
          problems.add(
            [...path, key, i],
            `${quote(value)} is in no zone of solver ${quote(solver)}: ${owned.join(", ")}`,
          );
  }
}

interface KnownSolver {
  readonly solver: string;
  readonly zones: readonly string[];
  readonly challengeType: string;
}

function whyUnsolved({ type, value }: Identifier, known: readonly KnownSolver[]): string {
  const typesFit = known.some(({ challengeType }) => canSolve({ zones: [], challengeType }, { type, value }));
  const answers = known
    .map(({ solver, challengeType }) => `solver ${quote(solver)} answers ${challengeType}`)
    .join(", ");
  if (typesFit) {
    const zones = known.map(({ solver, zones: own }) => `${quote(solver)}: ${own.join(", ") || "all"}`).join("; ");
    return `${quote(value)} is in no zone of its solvers (${zones}): list a solver that owns it`;
  }
  // RFC 8555 §7.1.3 leaves it to CAs; the CA/Browser Forum allows wildcards by DNS only (BR 3.2.2.4.7, .18, .19).
  if (value.startsWith("*.")) return `the wildcard ${quote(value)} needs a dns-01 solver, but ${answers}`;
  return `the IP address ${value} needs an http-01 or tls-alpn-01 solver, but ${answers}`;
}

/** A request of one's own fixes key and names. */
function ownRequestsAreFixed({ changed }: CheckedSections, problems: Problems): void {
  for (const { name, csr, reuseKey, dropDeadNames } of changed) {
    if (csr === null) continue;
    const exclude = (option: string, fixed: string): void =>
      problems.add(
        ["certificates", name, "csr"],
        `cannot be used with \`${option}\`, as the request fixes the ${fixed}: set \`${option}: false\` here`,
        "key",
      );
    if (reuseKey) exclude("reuseKey", "key");
    if (dropDeadNames) exclude("dropDeadNames", "names");
  }
}

/** One file that two certificates write would hold whichever came last. */
function targetsAreNotShared(sections: CheckedSections, problems: Problems): void {
  if (!hasEachItsOwn(sections)) reportShared(sections, problems);
}

/**
 * Of a large fleet that is right, nothing but what is written is kept, and looked up once. Those that have not changed
 * were compared with each other before.
 */
function hasEachItsOwn({ certificates, changed, targets }: CheckedSections): boolean {
  const written = new Set<string>();
  const refused: string[] = [];
  let count = 0;
  for (const draft of changed)
    for (const things of writtenBy(draft, targets, refused))
      for (const thing of distinct(things)) {
        written.add(thing);
        count += 1;
      }
  if (refused.length > 0 || written.size < count) return false;
  if (count === 0 || changed.length === certificates.length) return true;
  const isChanged = new Set(changed);
  const isTaken = (thing: string): boolean => written.has(thing);
  return !certificates.some(
    (draft) => !isChanged.has(draft) && writtenBy(draft, targets, refused).some((things) => things.some(isTaken)),
  );
}

/** What a certificate writes, for each of its targets. `refused` takes why it cannot. */
function writtenBy({ name, targets: names }: Draft, targets: CheckedSections["targets"], refused: string[]) {
  const written: (readonly string[])[] = [];
  for (const target of distinct(names)) {
    const found = targets.get(target);
    if (found) written.push(occupied(found.value, name, (message) => refused.push(message)));
  }
  return written;
}

function reportShared({ certificates, targets }: CheckedSections, problems: Problems): void {
  const owners = new Map<string, { readonly certificate: string; readonly target: string }>();
  for (const { name: certificate, targets: names } of certificates) {
    for (const target of distinct(names)) {
      const found = targets.get(target);
      if (!found) continue;
      const add = (message: string): void => problems.add(["certificates", certificate], message, "key");
      const here = { certificate, target };
      for (const thing of distinct(occupied(found.value, certificate, add))) {
        const owner = owners.get(thing);
        if (!owner) owners.set(thing, here);
        else {
          const other =
            owner.certificate === certificate ? "the same certificate" : `certificates.${owner.certificate}`;
          add(
            `its target ${quote(target)} would write ${quote(thing)}, which belongs to ${other} by target ` +
              `${quote(owner.target)}: give each its own`,
          );
        }
      }
    }
  }
}

/** Most lists are: no set is made of them. */
function distinct(list: readonly string[]): Iterable<string> {
  return list.length < FEW && list.every((each, index) => list.indexOf(each) === index) ? list : new Set(list);
}

/** Comparing each with each costs less than a set. */
const FEW = 10;

function occupied(
  { plugin, options }: PluginConfig<DeployerPlugin>,
  certificate: string,
  add: (message: string) => void,
): readonly string[] {
  try {
    return plugin.occupies?.(options, certificate) ?? [];
  } catch (error) {
    if (!(error instanceof RenewalError)) throw error;
    add(error.message);
    return [];
  }
}
