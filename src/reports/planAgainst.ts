import type { CaBudget } from "../domain/budget.ts";
import type { Certificate } from "../domain/certificate.ts";
import type { TargetLimits } from "../domain/deployer.ts";
import { endpointKey } from "../domain/endpoint.ts";
import { sameIdentifiers } from "../domain/identifier.ts";
import { incompatibilities } from "../renewal/rules/compatibility.ts";

/** What a change of the configuration is about, read from two files alone: no database, no secret, no network. */
export interface ConfigurationFacts {
  readonly certificates: readonly Certificate[];
  readonly budget: (issuer: string) => CaBudget;
  readonly limits: (target: string) => TargetLimits;
  /** Every other section, as text that is equal only if the section is. Never holds a secret. */
  readonly sections: ReadonlyMap<string, string>;
}

export type Change = "added" | "renamed" | "changed" | "removed";

/** `renewd plan --against OLD.yaml --json`. */
export interface PlanAgainstReport {
  readonly version: 1;
  readonly before: string;
  readonly after: string;
  readonly certificates: readonly ChangedCertificate[];
  readonly unchanged: number;
  /** New orders by issuer, with the smallest number that the CA is known to allow at once; null: not known. */
  readonly orders: readonly { readonly issuer: string; readonly count: number; readonly allowed: number | null }[];
  /** Sections besides certificates that differ, such as `issuers` or `redis`. */
  readonly sections: readonly string[];
}

export interface ChangedCertificate {
  readonly certificate: string;
  readonly change: Change;
  /** The name before; null: the same. */
  readonly renamedFrom: string | null;
  /** A new certificate is ordered as soon as the change is applied. */
  readonly orders: boolean;
  /** Targets that are deployed to although nothing new is issued, or that are new. */
  readonly deploysTo: readonly string[];
  /** Targets that keep the pair that nothing renews any more. */
  readonly leaves: readonly string[];
  /** What differs, a clause each. */
  readonly differences: readonly string[];
  /** What its targets cannot take. */
  readonly incompatible: readonly string[];
}

export function planAgainst(
  before: ConfigurationFacts & { readonly file: string },
  after: ConfigurationFacts & { readonly file: string },
): PlanAgainstReport {
  const old = new Map(before.certificates.map((each) => [each.name, each]));
  const names = new Set(after.certificates.map(({ name }) => name));
  const left = before.certificates.filter(({ name }) => !names.has(name));
  const entries: ChangedCertificate[] = [];
  const renamed = new Set<string>();
  for (const certificate of after.certificates) {
    const known = old.get(certificate.name);
    const origin = known ?? left.find((each) => !renamed.has(each.name) && isRename(each, certificate));
    if (origin === undefined) entries.push(addedEntry(certificate, after));
    else {
      if (known === undefined) renamed.add(origin.name);
      const entry = changedEntry(origin, certificate, after);
      if (entry !== null) entries.push(entry);
    }
  }
  for (const certificate of left) if (!renamed.has(certificate.name)) entries.push(removedEntry(certificate));
  const touched = entries.filter(({ change }) => change !== "removed").length;
  return {
    version: 1,
    before: before.file,
    after: after.file,
    certificates: entries.sort((a, b) => (a.certificate < b.certificate ? -1 : 1)),
    unchanged: after.certificates.length - touched,
    orders: ordersOf(entries, after),
    sections: [...new Set([...before.sections.keys(), ...after.sections.keys()])]
      .filter((section) => before.sections.get(section) !== after.sections.get(section))
      .sort(),
  };
}

/** As the planner: one with the same names and kind of key keeps the pair. */
function isRename(before: Certificate, after: Certificate): boolean {
  return before.keyType === after.keyType && sameIdentifiers(before.identifiers, after.identifiers);
}

function addedEntry(certificate: Certificate, { limits }: ConfigurationFacts): ChangedCertificate {
  const { name, mode, identifiers, targets } = certificate;
  const orders = mode === "renew";
  return {
    certificate: name,
    change: "added",
    renamedFrom: null,
    orders,
    deploysTo: orders ? targets : [],
    leaves: [],
    differences: [`names ${identifiers.map(({ value }) => value).join(", ")}`],
    incompatible: incompatibilities(certificate, null, limits),
  };
}

function removedEntry({ name, targets, endpoints }: Certificate): ChangedCertificate {
  const served = endpoints.length === 0 ? [] : [`nothing renews what ${endpoints.map(endpointKey).join(", ")} serves`];
  return {
    ...{ certificate: name, change: "removed", renamedFrom: null, orders: false, deploysTo: [], leaves: targets },
    differences: served,
    incompatible: [],
  };
}

function changedEntry(
  before: Certificate,
  after: Certificate,
  { limits }: ConfigurationFacts,
): ChangedCertificate | null {
  const differences = COMPARED.flatMap(([what, of]) => {
    const [from, to] = [of(before), of(after)];
    return from === to ? [] : [`${what}: ${from || "none"} → ${to || "none"}`];
  });
  const isRenamed = before.name !== after.name;
  // A target's paths may have the name in them.
  if (before.digest !== after.digest && differences.length === 0 && !isRenamed)
    differences.push("the definition of its issuer, solver or a target");
  if (differences.length === 0 && !isRenamed) return null;
  const orders = after.mode === "renew" && isOrdered(before, after);
  const isNew = (target: string): boolean => !before.targets.includes(target);
  const isOther = (target: string): boolean => before.targetDigests[target] !== after.targetDigests[target];
  return {
    certificate: after.name,
    change: isRenamed ? "renamed" : "changed",
    renamedFrom: isRenamed ? before.name : null,
    orders,
    deploysTo:
      after.mode === "renew"
        ? after.targets.filter((target) => orders || isRenamed || isNew(target) || isOther(target))
        : [],
    leaves: before.targets.filter((target) => !after.targets.includes(target)),
    differences,
    incompatible: incompatibilities(after, null, limits),
  };
}

/**
 * As `renewal/rules/reasons.ts`: other names, another CA, another kind of key. What else differs waits for the window.
 */
function isOrdered(before: Certificate, after: Certificate): boolean {
  return (
    (before.mode !== "renew" && after.mode === "renew") ||
    !sameIdentifiers(before.identifiers, after.identifiers) ||
    !after.issuerDirectories.includes(before.issuerDirectories[0] ?? "") ||
    before.keyType !== after.keyType
  );
}

const COMPARED: readonly (readonly [what: string, of: (certificate: Certificate) => string])[] = [
  ["mode", ({ mode }) => mode],
  [
    "names",
    ({ identifiers }) =>
      identifiers
        .map(({ value }) => value)
        .sort()
        .join(", "),
  ],
  ["issuer", ({ issuer }) => issuer],
  ["fallbacks", ({ fallbacks }) => fallbacks.join(", ")],
  ["key type", ({ keyType }) => keyType],
  ["profile", ({ profile }) => profile ?? ""],
  ["preferred chain", ({ preferredChain }) => preferredChain ?? ""],
  ["solvers", ({ solvers }) => solvers.join(", ")],
  ["targets", ({ targets }) => targets.join(", ")],
  ["waves", ({ waves }) => waves.map(({ targets }) => targets.join("+")).join(", ")],
  ["on wave failure", ({ onWaveFailure }) => onWaveFailure],
  ["endpoints", ({ endpoints }) => endpoints.map(endpointKey).join(", ")],
  ["renewal policy", ({ policy }) => JSON.stringify(policy)],
  ["maintenance", ({ maintenance }) => JSON.stringify(maintenance)],
  ["reuse of the key", ({ reuseKey }) => String(reuseKey)],
  ["dead names", ({ dropDeadNames }) => (dropDeadNames ? "dropped" : "")],
  ["own signing request", ({ csr }) => csr?.file ?? ""],
];

function ordersOf(
  entries: readonly ChangedCertificate[],
  { certificates, budget }: ConfigurationFacts,
): PlanAgainstReport["orders"] {
  const issuers = new Map(certificates.map(({ name, issuer }) => [name, issuer]));
  const ordered = entries.filter(({ orders }) => orders).map(({ certificate }) => issuers.get(certificate) ?? "");
  return [...Map.groupBy(ordered, (issuer) => issuer)].map(([issuer, all]) => ({
    issuer,
    count: all.length,
    allowed: budget(issuer).limits.ordersPerAccount?.max ?? null,
  }));
}
