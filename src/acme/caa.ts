import { Resolver } from "node:dns/promises";
import type { Identifier } from "../domain/identifier.ts";

/** One property of a CAA record (RFC 8659 §4.1), as node:dns returns it. */
export interface CaaRecord {
  readonly critical: number;
  readonly issue?: string | undefined;
  readonly issuewild?: string | undefined;
}

/** Records at one name: empty when there are none; throws when no server could tell. */
export type CaaLookup = (name: string, signal: AbortSignal) => Promise<readonly CaaRecord[]>;

const QUERY_TIMEOUT_MS = 2_000;
const QUERY_TRIES = 2;

/** By the system's resolvers, or by `servers` such as `127.0.0.1:5353`. */
export function createCaaLookup(servers?: readonly string[]): CaaLookup {
  return async (name, signal) => {
    const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
    if (servers !== undefined) resolver.setServers(servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await resolver.resolveCaa(name);
    } catch (error) {
      signal.throwIfAborted();
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "ENODATA" || code === "ENOTFOUND") return [];
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  };
}

export interface CaaVerdict {
  readonly forbidden: string | null;
  readonly unknown: string | null;
}

/**
 * Whether the names' CAA records let a CA that goes by one of `identities` (its directory's `caaIdentities`) issue. The first
 * name that forbids it ends the search; what cannot be looked up is unknown, not forbidden: the CA looks again anyway.
 */
export async function checkCaa(identifiers: readonly Identifier[], identities: readonly string[], lookup: CaaLookup, signal: AbortSignal): Promise<CaaVerdict> {
  const known = new Map<string, Promise<readonly CaaRecord[]>>();
  const records = (name: string): Promise<readonly CaaRecord[]> => {
    const found = known.get(name) ?? lookup(name, signal);
    known.set(name, found);
    return found;
  };
  let unknown: string | null = null;
  for (const { type, value } of identifiers) {
    // RFC 8659 is about domains; there is no CAA for addresses.
    if (type !== "dns") continue;
    try {
      const found = await relevant(value.replace(/^\*\./, ""), records);
      if (found !== null && !permits(found.records, identities, value.startsWith("*."))) {
        return { forbidden: `the CAA record of ${found.name} does not permit ${identities.join(" or ")}`, unknown };
      }
    } catch {
      signal.throwIfAborted();
      unknown ??= `the CAA record of ${value} could not be looked up`;
    }
  }
  return { forbidden: null, unknown };
}

/** Climbs the tree to the first name that has any (RFC 8659 §3). */
async function relevant(
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

function permits(records: readonly CaaRecord[], identities: readonly string[], wildcard: boolean): boolean {
  const issuewild = records.flatMap((record) => (record.issuewild === undefined ? [] : [record.issuewild]));
  const issue = records.flatMap((record) => (record.issue === undefined ? [] : [record.issue]));
  const rules = wildcard && issuewild.length > 0 ? issuewild : issue;
  // Only `iodef` and the like: nobody is excluded (RFC 8659 §4.2).
  if (rules.length === 0) return true;
  const domains = rules.map((rule) => rule.split(";")[0]?.trim().toLowerCase());
  return identities.some((identity) => domains.includes(identity.toLowerCase()));
}
