import type { z } from "zod";
import type { CredentialEnd } from "../../domain/horizon.ts";
import type { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";

/**
 * What a DNS provider is to the engine. A provider translates calls and errors, nothing more: the engine finds the
 * zone, follows delegations, takes the lock of the TXT name, keeps the rate, writes down what is published before it is
 * published, waits for propagation and cleans up. A provider neither retries nor sleeps nor caches.
 *
 * Errors: `RenewalError` with a code from `domain/errorTable/challenge.ts`, and no secret in its message:
 * - `dns.credentials`: the provider refuses the credentials, or they may not do this; say which right is missing.
 * - `dns.rateLimited`: 429 or the vendor's own code, with `retryAt` when it says when.
 * - `dns.unreachable`: no answer, a broken answer, 5xx.
 * - `dns.refused`: it refuses this very request; quote the documented error text.
 */
export interface DnsProvider {
  /**
   * Zones that these credentials may change and that could hold `name`; returning all of them is fine, and preferred.
   * Read every page. A provider without such a list derives the zone from the name, or from its options.
   */
  zones(name: string, signal: AbortSignal): Promise<readonly Zone[]>;
  /**
   * `zones` returns the same for every name, so that the engine asks once for many. Else what it returned for one name
   * is nothing to choose from for another: a deeper zone may be missing.
   */
  readonly listsAllZones?: true;
  /** How TXT values are changed. */
  readonly txt: RecordModel | RrsetModel | WholeZoneModel;
  /**
   * Whether the provider says that its own servers have the change, for those that can tell (Route 53 INSYNC). `change`
   * is what the last `create`, `replace` or `write` returned. Then authoritative servers are not asked.
   */
  status?(zone: Zone, change: string, signal: AbortSignal): Promise<"pending" | "done">;
  /**
   * Full names in the zone that have an address or an alias (A, AAAA, CNAME), for discovery: A-labels in lower case, no
   * final dot. Changes nothing. Left out: the provider cannot list.
   */
  names?(zone: Zone, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * What the credentials may do at the TXT name `at.name` in `at.zone`, without changing anything; each text is a
   * sentence about one missing right. Empty: all is fine. null: no name is known yet.
   */
  missingRights?(at: NameInZone | null, signal: AbortSignal): Promise<readonly string[]>;
  /** When the credentials end, for APIs that tell. */
  credentials?(signal: AbortSignal): Promise<readonly CredentialEnd[]>;
}

export interface Zone {
  /** The provider's own name for it; its name where it has no other. */
  readonly id: string;
  /** A-labels in lower case, no final dot. */
  readonly name: string;
  /** Private zones are not for CAs and never used. Default: false. */
  readonly isPrivate?: boolean;
  /**
   * The provider has no list of zones, and this one was made of the name or the options: it may be none that DNS
   * knows, so it is not compared with the delegation. Default: false.
   */
  readonly isAssumed?: boolean;
  /** Names of its name servers, where the provider's list has them: compared with the delegation. */
  readonly nameServers?: readonly string[];
}

/** A TXT name, full, in A-labels and lower case without final dot, and the zone that holds it. */
export interface NameInZone {
  readonly name: string;
  readonly zone: Zone;
}

/** Where a TXT value goes. */
export interface TxtPlace {
  /** The full name: A-labels in lower case, no final dot. `relativeName` makes what most APIs want. */
  readonly name: string;
  /** Already raised to the provider's `ttlMinS`. */
  readonly ttlS: number;
  /** What the value is the digest of; null or left out: not known. Only `create` of a `RecordModel` is given it. */
  readonly keyAuthorization?: string | null;
}

export interface TxtRecord {
  /** null: the provider has no ids; then `remove` goes by name and value. */
  readonly id: string | null;
  /** Without quotes, chunks joined: `plainTxt` undoes what an API shows. */
  readonly value: string;
}

/** One record with one value, each created and removed by itself. */
export interface RecordModel {
  readonly model: "record";
  /**
   * Its contract takes the key authorization instead of the value: `create` finds it in `place`, and `remove` as the
   * record's id, which the row has before the record is published.
   */
  readonly takesKeyAuthorization?: true;
  /** TXT records at exactly this name; every page. Left out: the provider cannot list. */
  list?(zone: Zone, name: string, signal: AbortSignal): Promise<readonly TxtRecord[]>;
  /**
   * Adds a value and leaves others at this name alone. Returns the provider's id, or null when it has none. Called
   * again after a crash only when `list` does not show the value, or when there is no `list`: then it MUST be
   * idempotent.
   */
  create(zone: Zone, place: TxtPlace, value: string, signal: AbortSignal): Promise<string | null>;
  /** Removes this record and no other. MUST succeed when it is gone. `id` is from `list` or `create`. */
  remove(zone: Zone, place: TxtPlace, record: TxtRecord, signal: AbortSignal): Promise<void>;
}

/** All values of one name are one object, replaced as a whole. The engine holds the lock of the name meanwhile. */
export interface RrsetModel {
  readonly model: "rrset";
  /** Empty: there is no TXT at this name. */
  read(zone: Zone, name: string, signal: AbortSignal): Promise<Rrset>;
  /**
   * `values` empty: delete the set. `before` is what `read` returned, for APIs with a precondition or without upsert.
   * Returns the provider's id of the change, for `status`; else null.
   */
  replace(
    zone: Zone,
    place: TxtPlace,
    sets: { readonly before: Rrset; readonly values: readonly string[] },
    signal: AbortSignal,
  ): Promise<string | null>;
}

export interface Rrset {
  readonly values: readonly string[];
  /** As found; null: none, or not shown. */
  readonly ttlS: number | null;
  /** The provider's own tag of this version (an etag), for its precondition. */
  readonly version?: string | null;
}

/** The zone can only be written as a whole. The engine holds the lock of the zone meanwhile. */
export interface WholeZoneModel {
  readonly model: "wholeZone";
  readZone(zone: Zone, signal: AbortSignal): Promise<readonly ZoneRow[]>;
  /** MUST write every row that it is given, changed or not. */
  writeZone(zone: Zone, rows: readonly ZoneRow[], signal: AbortSignal): Promise<string | null>;
}

export interface ZoneRow {
  /** The full name: A-labels in lower case, no final dot. */
  readonly name: string;
  /** In upper case. */
  readonly type: string;
  readonly value: string;
  readonly ttlS: number;
  /** What else the API needs to write the row as it was; null for a new row. */
  readonly rest: unknown;
}

/** What is known of a provider without asking it. Generated docs show it. */
export interface ProviderTraits {
  /** Lower TTLs are raised to this. Default: 0. */
  readonly ttlMinS?: number;
  /** Values that fit at one name. Default: no limit. With 1, authorizations of one name go one after another. */
  readonly valuesPerName?: number;
  /** Only one challenge at a time per solver, across all orders. */
  readonly sequential?: boolean;
  /** How long its slowest server may take. Default: 10 minutes. */
  readonly propagationMaxMs?: number;
  /** Time between two propagation checks. Default: 5 s at first. */
  readonly propagationEveryMs?: number;
  /**
   * Its name servers answer from one source at every question, so that what one has, all have: one that cannot be
   * reached is not waited for. Default: false.
   */
  readonly oneSource?: boolean;
  /** Requests per time and credential. Default: no limit but the provider's own. */
  readonly rateLimit?: { readonly requests: number; readonly perMs: number };
}

export interface ProviderDependencies {
  /** The solver's name in configuration. */
  readonly solver: string;
  /** Reads the secret at each use, so that a rotated one is found. Throws `config.invalid` when it cannot be read. */
  secret(reference: SecretReference): Promise<Secret>;
  /** MUST be awaited before each request to the provider: keeps the rate across all processes. */
  turn(signal: AbortSignal): Promise<void>;
  /** ms since epoch. */
  now(): number;
}

/**
 * A kind of DNS provider: one file below `providers/` or `bridges/` exports this, and `dnsSolver(it)` is one line in
 * `src/solvers/index.ts`. `type: NAME` in configuration takes `options` and the options that all DNS solvers share
 * (`options.ts`), so no option here may be called `zone`, `zones`, `ttl`, `resolvers`, `follow` or `propagation`.
 */
export interface DnsProviderKind<Options> {
  /** The `type:` in configuration, such as `cloudflare`. */
  readonly type: string;
  /** One sentence for listings and generated docs. */
  readonly description: string;
  /** The vendor's documentation of the API that is used. */
  readonly docs: string;
  /** A strict object; secrets by `secretOption`. */
  readonly options: z.ZodType<Options> & z.ZodObject;
  readonly traits: ProviderTraits | ((options: Options) => ProviderTraits);
  /** MUST do no I/O: it is called when configuration is read, too. SDKs are imported at the first call. */
  create(options: Options, dependencies: ProviderDependencies): DnsProvider;
}

/** `_acme-challenge.www` for `_acme-challenge.www.example.org` in `example.org`; `apex` where both are the same. */
export function relativeName(name: string, zone: Pick<Zone, "name">, apex = "@"): string {
  return name === zone.name ? apex : name.slice(0, -(zone.name.length + 1));
}

/** `"a" "b"` as `ab`: several APIs show TXT values in the form of a zone file (RFC 1035 §5.1). */
export function plainTxt(shown: string): string {
  if (!shown.startsWith('"')) return shown;
  return [...shown.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, chunk = ""]) => chunk.replace(/\\(.)/g, "$1")).join("");
}
