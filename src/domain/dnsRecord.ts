import type { Identifier } from "./identifier.ts";

/** What renewd published in DNS for one challenge. The row exists before the record does, and goes after it. */
export interface DnsRecord {
  /** Chosen by renewd. */
  readonly id: string;
  /** Name of the solver in configuration. */
  readonly solver: string;
  /** The name that is validated, without `*.`. */
  readonly identifier: string;
  /** Where the TXT value is, after delegation: A-labels in lower case, no final dot. */
  readonly name: string;
  readonly value: string;
  readonly zoneId: string;
  readonly zoneName: string;
  /** What the provider calls its record; null: it has no name for it, or the answer never came. */
  readonly providerId: string | null;
  /** The certificate and renewal it is for; null: a rehearsal, or unknown. */
  readonly certificate: string | null;
  readonly renewalId: string | null;
  /** The client of `web.httpreq` that asked for it, for an order of its own; null: it is renewd's own. */
  readonly client: string | null;
  /** `publishing`: the provider may have it or not. `removing`: nobody needs it any more. */
  readonly state: DnsRecordState;
  readonly createdAt: number;
  /** When the provider accepted it; null: not yet. */
  readonly publishedAt: number | null;
  /** From then on it is a leftover, whoever published it. */
  readonly expiresAt: number;
  /** Removals that failed in a row, and when the next is due; null: as soon as it is a leftover. */
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

export type DnsRecordState = "publishing" | "published" | "removing";

export type DnsRecordPatch = Partial<
  Pick<
    DnsRecord,
    "providerId" | "state" | "publishedAt" | "expiresAt" | "attempts" | "nextAttemptAt" | "errorCode" | "errorMessage"
  >
>;

/** Shared by all processes. A row that was not written by a holder of the master key is never obeyed nor listed. */
export interface DnsRecordStore {
  insert(record: DnsRecord): Promise<void>;
  update(id: string, patch: DnsRecordPatch): Promise<void>;
  delete(id: string): Promise<void>;
  /**
   * Of one challenge: the same solver, validated name, value and client. The newest; one that is being removed, such as at the
   * place where a delegation led before, only if there is no other.
   */
  find(key: Pick<DnsRecord, "solver" | "identifier" | "value" | "client">): Promise<DnsRecord | null>;
  /** At one name of one zone, by any order; oldest first. */
  at(zone: Pick<DnsRecord, "zoneId" | "zoneName">, name: string): Promise<DnsRecord[]>;
  /** Everything, oldest first. */
  list(limit: number): Promise<DnsRecord[]>;
  /** Leftovers whose removal is due: expired, given up, or of a renewal that has ended. */
  leftovers(now: number, limit: number): Promise<DnsRecord[]>;
}

/** Locks between processes, by key. A lock that is not released ends by itself. */
export interface DnsLocks {
  /** False: another holder has it. Taking a lock again extends it. */
  take(key: string, holder: string, now: number, until: number): Promise<boolean>;
  release(key: string, holder: string): Promise<void>;
}

export interface DnsRate {
  readonly everyMs: number;
  readonly burst: number;
}

/** What a provider lets one credential do in a time. Shared by all processes. */
export interface DnsRates {
  /** Returns the instant of the next turn. It is taken unless it is after `latest`. */
  turn(key: string, rate: DnsRate, times: { readonly now: number; readonly latest: number }): Promise<number>;
  /** The provider asked for silence until then. */
  silence(key: string, until: number): Promise<void>;
}

export interface DnsStore {
  readonly records: DnsRecordStore;
  readonly locks: DnsLocks;
  readonly rates: DnsRates;
}

/** What is published in DNS, apart from any order. */
export interface DnsAnswers {
  /** Removes what was published earlier, and its row. MUST be idempotent. */
  withdraw(record: DnsRecord, signal: AbortSignal): Promise<void>;
  /** Every TXT value where the answers for this name go; `values` null: the provider cannot list. */
  values(
    identifier: Identifier,
    signal: AbortSignal,
  ): Promise<DnsPlace & { readonly values: readonly string[] | null }>;
  /**
   * Names with an address or an alias in the zones of these names, for discovery. Left out: the provider cannot list. Changes
   * nothing.
   */
  zoneNames?(
    of: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly { readonly zone: string; readonly names: readonly string[] }[]>;
  /** Removes one value that renewd has no row for: only when a person asks. */
  remove(identifier: Identifier, value: string, signal: AbortSignal): Promise<void>;
  /** Answers to orders that are not renewd's. Left out: it publishes for renewd alone. */
  readonly forClients?: ClientAnswers;
}

export interface ClientAnswers {
  /** MUST be idempotent. One that fails leaves a leftover, which is removed. */
  publish(answer: ClientAnswer, signal: AbortSignal): Promise<void>;
  /** Removes what was published for this client, and nothing else. False: there was nothing. MUST be idempotent. */
  withdraw(answer: Pick<ClientAnswer, "client" | "name" | "value">, signal: AbortSignal): Promise<boolean>;
}

/** The answer to the dns-01 challenge of somebody else's order. */
export interface ClientAnswer {
  /** Its name in `web.httpreq`. */
  readonly client: string;
  /** Where its CA looks: A-labels in lower case, no final dot. */
  readonly name: string;
  readonly value: string;
  /** What `value` is the digest of; null: the client did not say. */
  readonly keyAuthorization: string | null;
  /** Whether it may publish at this name, to which a CNAME leads: else an alias would lead out of what it is given. */
  mayPublish(name: string): boolean;
}

export interface DnsPlace {
  readonly name: string;
  readonly zoneId: string;
  readonly zoneName: string;
}
