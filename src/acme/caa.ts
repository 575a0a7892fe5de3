import { Resolver } from "node:dns/promises";
import { addAbortListener } from "node:events";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { NamedSolver } from "../domain/issuer.ts";
import { type IssueValue, parseIssueValue } from "../domain/issueValue.ts";
import { solversFor } from "../domain/solverChoice.ts";
import { sanitize } from "../domain/text.ts";

/** RFC 8659 §4.1 */
export interface CaaRecord {
  readonly critical: boolean;
  /** In lower case. */
  readonly tag: string;
  readonly value: string;
}

/** The account that would order the certificate, and how it would prove control. */
export interface Subscriber {
  /** The domains a CA goes by: its directory's `caaIdentities`. */
  readonly identities: readonly string[];
  /** Our account there; null: none yet, so no record can name it. */
  readonly accountUrl: string | null;
  /** By these it can prove control, each name by those that fit it. */
  readonly solvers: readonly NamedSolver[];
}

/** A subscriber that asks for one name. */
interface Applicant extends Omit<Subscriber, "solvers"> {
  readonly challengeTypes: readonly string[];
}

/** Records at one name: empty when there are none; throws when no server answers. */
export type CaaLookup = (name: string, signal: AbortSignal) => Promise<readonly CaaRecord[]>;

const CRITICAL = 128;
/** Registered tags; those about mail and contacts do not restrict server certificates. */
const KNOWN_TAGS: readonly string[] = [
  "issue",
  "issuewild",
  "iodef",
  "contactemail",
  "contactphone",
  "issuemail",
  "issuevmc",
];
/** c-ares doubles it with each try: a query that the network lost is sent again soon, and a dead resolver takes 6 s. */
const QUERY_TIMEOUT_MS = 400;
const QUERY_TRIES = 4;

/** By the system's resolvers, or by `servers` such as `127.0.0.1:5353`. */
export function createCaaLookup(servers?: readonly string[]): CaaLookup {
  return async (name, signal) => {
    const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
    if (servers !== undefined) resolver.setServers(servers);
    using _cancelling = addAbortListener(signal, () => resolver.cancel());
    try {
      // Each record has its flags, a member `type` that the declarations lack, and one member named after its tag.
      return (await resolver.resolveCaa(name)).flatMap(({ critical, ...property }) =>
        Object.entries(property)
          .filter(([member]) => member !== "type")
          .map(([tag, value]) => ({
            critical: (critical & CRITICAL) !== 0,
            tag: tag.toLowerCase(),
            value: String(value),
          })),
      );
    } catch (error) {
      signal.throwIfAborted();
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "ENODATA" || code === "ENOTFOUND") return [];
      throw error;
    }
  };
}

export interface CaaVerdict {
  readonly forbidden: string | null;
  readonly unknown: string | null;
  /** What was found for each name, for people. */
  readonly found: readonly { readonly identifier: string; readonly text: string }[];
}

/**
 * Whether the names' CAA records let the CA issue to this subscriber. The first name that forbids it ends the search. A
 * record that cannot be looked up is unknown, not forbidden: the CA checks again anyway.
 */
export async function checkCaa(
  identifiers: readonly Identifier[],
  subscriber: Subscriber,
  lookup: CaaLookup,
  signal: AbortSignal,
): Promise<CaaVerdict> {
  const known = new Map<string, Promise<readonly CaaRecord[]>>();
  const records = (name: string): Promise<readonly CaaRecord[]> => {
    const found = known.get(name) ?? lookup(name, signal);
    known.set(name, found);
    return found;
  };
  let unknown: string | null = null;
  const texts: { readonly identifier: string; readonly text: string }[] = [];
  for (const identifier of identifiers) {
    const { type, value } = identifier;
    // RFC 8659 is about domains; there is no CAA for addresses.
    if (type !== "dns") continue;
    const challengeTypes = solversFor(subscriber.solvers, identifier).map(({ solver }) => solver.challengeType);
    const applicant = { ...subscriber, challengeTypes };
    try {
      const found = await relevant(value.replace(/^\*\./, ""), records);
      texts.push({ identifier: value, text: recordsText(found, value.startsWith("*.")) });
      const obstacle = found === null ? null : obstacleIn(found.records, applicant, value.startsWith("*."));
      if (found !== null && obstacle !== null)
        return { forbidden: `the CAA record of ${found.name} ${obstacle}`, unknown, found: texts };
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof RenewalError ? `: ${error.message}` : "";
      unknown ??= `the CAA record of ${value} could not be looked up${why}`;
      texts.push({ identifier: value, text: "not looked up: no server answered" });
    }
  }
  return { forbidden: null, unknown, found: texts };
}

const TEXT_CHARACTERS_MAX = 300;

function recordsText(
  found: { readonly name: string; readonly records: readonly CaaRecord[] } | null,
  wildcard: boolean,
): string {
  if (found === null) return "no record: any CA may issue";
  const wild = found.records.filter(({ tag }) => tag === "issuewild");
  const rules = wildcard && wild.length > 0 ? wild : found.records.filter(({ tag }) => tag === "issue");
  if (rules.length === 0) return `${found.name} restricts no CA`;
  const values = rules.map(({ tag, value }) => `${tag} ${value === "" ? ";" : value}`);
  return sanitize(`${found.name}: ${values.join(", ")}`, TEXT_CHARACTERS_MAX);
}

/** Climbs the tree to the first name that has any (RFC 8659 §3). */
export async function relevant(
  start: string,
  records: (name: string) => Promise<readonly CaaRecord[]>,
): Promise<{ readonly name: string; readonly records: readonly CaaRecord[] } | null> {
  const labels = start.split(".");
  for (let level = 0; level < labels.length; level++) {
    const name = labels.slice(level).join(".");
    const found = await records(name);
    if (found.length > 0) return { name, records: found };
  }
  return null;
}

function obstacleIn(records: readonly CaaRecord[], subscriber: Applicant, wildcard: boolean): string | null {
  const strange = records.find(({ critical, tag }) => critical && !KNOWN_TAGS.includes(tag));
  // RFC 8659 §4.1: no CA may issue if it does not understand a critical property.
  if (strange !== undefined) return `forbids all that do not know its critical property ${sanitize(strange.tag, 50)}`;
  const tagged = (wanted: string): string[] => records.filter(({ tag }) => tag === wanted).map(({ value }) => value);
  const issuewild = wildcard ? tagged("issuewild") : [];
  const rules = issuewild.length > 0 ? issuewild : tagged("issue");
  // Only `iodef` and the like: nobody is excluded (RFC 8659 §4.2).
  if (rules.length === 0) return null;
  const names = subscriber.identities.map((identity) => identity.toLowerCase());
  const ours = rules.map(parseIssueValue).filter(({ domain }) => names.includes(domain));
  const ca = subscriber.identities.join(" or ");
  const [first, ...others] = ours.map(({ parameters }) => restriction(parameters, subscriber));
  if (first === undefined) return `does not permit ${ca}`;
  return first === null || others.includes(null) ? null : `permits ${ca} ${first}`;
}

/** A condition of the rule that this subscriber does not meet (RFC 8657); null: it meets all. */
function restriction(parameters: IssueValue["parameters"], { accountUrl, challengeTypes }: Applicant): string | null {
  const values = (wanted: string): string[] =>
    (parameters ?? []).filter(([tag]) => tag === wanted).map(([, value]) => value);
  const [accounts, methods] = [values("accounturi"), values("validationmethods")];
  // Given twice, or unreadable: nobody can meet it.
  if (parameters === null || accounts.length > 1 || methods.length > 1)
    return "with parameters that cannot be fulfilled";
  const [account] = accounts;
  if (account !== undefined && account !== accountUrl)
    return `only to account ${sanitize(account, 200)}, ${accountUrl === null ? "and we have none yet" : `not to ours, ${accountUrl}`}`;
  const [method] = methods;
  if (method !== undefined && !challengeTypes.some((type) => method.split(",").includes(type)))
    return `only by ${sanitize(method, 100)}`;
  return null;
}
