import type { Certificate } from "../domain/certificate.ts";
import type { Draft } from "./check/certificates.ts";
import { TARGET_RESPONSIBILITY_KEYS } from "./check/responsibility.ts";
import type { Entry } from "./check/sections.ts";
import type { IssuerConfig } from "./config.ts";
import { digestOf, shared } from "./read/digest.ts";

/** By which planner and workers see that a certificate, what is issued for it, or a target was defined differently. */
export function digestsOf(
  draft: Draft,
  defined: Definitions,
): Pick<Certificate, "digest" | "issueDigest" | "targetDigests"> {
  const names = draft.identifiers.map(({ type, value }) => `${type}:${value}`).sort();
  return {
    digest: digestOf(definitions(draft, names, defined)),
    issueDigest: digestOf(whatIsIssued(draft, names, defined.issuers.get(draft.issuer)?.directory ?? "")),
    targetDigests: targetsOf(draft.targets, defined.targets).digests,
  };
}

interface Definitions {
  readonly issuers: ReadonlyMap<string, IssuerConfig>;
  readonly issuerEntries: ReadonlyMap<string, Entry<unknown>>;
  readonly solvers: ReadonlyMap<string, Entry<unknown>>;
  readonly targets: ReadonlyMap<string, Entry<unknown>>;
}

/**
 * When a certificate may be renewed, and in which steps, changes nothing about it: a freeze that is added must not deploy
 * the fleet again. Which issuers are distrusted enters by their definitions. The others enter beside it, or where they
 * are not as by default.
 */
type OfNoDigest =
  | ("registeredDomains" | "maintenance" | "waves" | "onWaveFailure" | "responsibility" | "allDistrusted")
  | ("fallbacks" | "dropDeadNames" | "csr" | "mode" | "solvers");
type OfDigest = Record<Exclude<keyof Draft, OfNoDigest> | "solver", unknown>;

/**
 * All that decides how a certificate is renewed. The definitions enter as written, so secrets only as their references;
 * the trust file enters with its content, because correcting it is a reason to try again.
 */
function definitions(
  draft: Draft,
  names: readonly string[],
  { issuers, issuerEntries, solvers, targets }: Definitions,
): unknown {
  const { endpoints, issuer, keyType, name, policy, preferredChain, profile, reuseKey, verifyTimeoutMs } = draft;
  const { fallbacks, dropDeadNames, csr, mode } = draft;
  const [solver = "", ...otherSolvers] = draft.solvers;
  // In the order of the keys: they need not be sorted then.
  const certificate: OfDigest = {
    endpoints,
    identifiers: names,
    issuer,
    keyType,
    name,
    policy,
    preferredChain,
    profile,
    reuseKey,
    solver,
    targets: draft.targets,
    verifyTimeoutMs,
  };
  const all: Record<string, unknown> = {
    certificate,
    issuer: withoutPath(issuerEntries.get(issuer)),
    solver: sharedRaw(solvers.get(solver)?.raw),
    targets: targetsOf(draft.targets, targets).definitions,
    trust: issuers.get(issuer)?.trustPem ?? null,
  };
  if (dropDeadNames) all.dropDeadNames = dropDeadNames;
  if (csr !== null) all.csr = csr;
  if (mode !== "renew") all.mode = mode;
  if (fallbacks.length > 0)
    all.fallbacks = fallbacks.map((name) => ({
      name,
      definition: withoutPath(issuerEntries.get(name)),
      trust: issuers.get(name)?.trustPem,
    }));
  if (otherSolvers.length > 0)
    all.otherSolvers = otherSolvers.map((name) => ({ name, definition: solvers.get(name)?.raw }));
  return all;
}

function sharedRaw(raw: unknown): unknown {
  return typeof raw === "object" && raw !== null ? shared(raw) : raw;
}

const PATHS = ["trust"];
const NOTHING = {};

/** The trust file enters by its content: written relative or absolute, it is the same. */
function withoutPath(issuer: Entry<unknown> | undefined): unknown {
  return withoutKeys(issuer?.raw ?? NOTHING, PATHS);
}

/** By the keys that are left out: very many certificates share the few issuers and targets. */
const TRIMMED = new WeakMap<readonly string[], WeakMap<object, object>>();

/** The same object for the same definition. */
function withoutKeys(raw: unknown, keys: readonly string[]): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  const known = TRIMMED.get(keys) ?? new WeakMap<object, object>();
  TRIMMED.set(keys, known);
  const trimmed =
    known.get(raw) ?? shared(Object.fromEntries(Object.entries(raw).filter(([key]) => !keys.includes(key))));
  known.set(raw, trimmed);
  return trimmed;
}

/** The issuer only by its directory: its name, account and limits change nothing about what it issues. */
function whatIsIssued(
  { keyType, profile, preferredChain, reuseKey, dropDeadNames, csr }: Draft,
  names: readonly string[],
  directory: string,
): unknown {
  return { csr, directory, dropDeadNames, keyType, names, preferredChain, profile, reuseKey };
}

/** What a target accepts, and who deploys to it, does not change what it holds. */
const NOT_DEPLOYED: readonly string[] = ["takes", "agent", "served", ...TARGET_RESPONSIBILITY_KEYS];

interface Targets {
  readonly definitions: readonly unknown[];
  readonly digests: Readonly<Record<string, string>>;
}

/** By the definitions and the list: very many certificates have the list of the defaults. */
const TARGETS = new WeakMap<Definitions["targets"], WeakMap<readonly string[], Targets>>();

function targetsOf(names: readonly string[], targets: Definitions["targets"]): Targets {
  const ofThese = TARGETS.get(targets) ?? new WeakMap<readonly string[], Targets>();
  TARGETS.set(targets, ofThese);
  const known = ofThese.get(names) ?? {
    definitions: shared(names.map((name) => withoutKeys(targets.get(name)?.raw, TARGET_RESPONSIBILITY_KEYS))),
    digests: Object.fromEntries(
      names.map((name) => [name, digestOf(withoutKeys(targets.get(name)?.raw ?? NOTHING, NOT_DEPLOYED))]),
    ),
  };
  ofThese.set(names, known);
  return known;
}
