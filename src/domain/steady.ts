import { HOUR_MS } from "./time.ts";

/** Of a fleet of this size a document reads what it shows; of a smaller one it reads all of it. */
export const LARGE_FLEET = 1_000;

/** So long a check of a part is believed: past it, and with no planner, every row is read again. */
export const STEADY_MS = 2 * HOUR_MS;

/** A certificate, and when what clients get ends, ms since epoch. */
export type SteadyEnd = readonly [name: string, expiresAt: number];

/**
 * What a planner has found in the certificates from one name to another: it has read them as `renewd status` does, with the
 * seal of every row. A certificate is steady if nothing is wrong with it and if, within `STEADY_MS`, time alone makes nothing
 * wrong: what else may change it writes an event, or shows in a column that is asked for each time.
 */
export interface SteadyPart {
  /** It holds the certificates whose names come after this one; "": from the first. */
  readonly after: string;
  /** The last name; null: to the end of the fleet. */
  readonly last: string | null;
  /** When reading began, ms since epoch. */
  readonly checkedAt: number;
  /** Number of the newest event then. */
  readonly seq: number;
  /** Of renewd: another one may judge otherwise. */
  readonly release: string;
  /** From which the endpoints of the steady ones are dialled. */
  readonly vantages: readonly string[];
  readonly steady: SteadySum;
  /** The names of all others. */
  readonly others: readonly string[];
}

/** What steady certificates come to. */
export interface SteadySum {
  /** Handshakes showed the latest version. */
  readonly provedLive: number;
  /** Without an endpoint that could prove it. */
  readonly notProved: number;
  /** null: there are none. */
  readonly soonest: SteadyEnd | null;
}

/** The steady certificates of a part, those that end first at the front. */
export interface SteadyMembers {
  readonly provedLive: readonly SteadyEnd[];
  readonly notProved: readonly SteadyEnd[];
}

/** A part that renewd wrote. */
export interface StoredPart extends SteadyPart {
  /** Which list of its members is the right one. */
  readonly membersDigest: string;
}

/** Since when something is wrong, ms since epoch. */
export interface SuspectTerms {
  /** A certificate should have been checked by then. */
  readonly checkDueBefore: number;
  /** A proof that is older is not believed. */
  readonly proofsFrom: number;
}

export interface SteadyStore {
  /** Takes the place of all parts that begin within it. */
  save(part: SteadyPart, members: SteadyMembers): Promise<void>;
  /** Which parts there are, sorted by name. Their seals are not checked: only for deciding what to check next. */
  known(): Promise<Pick<SteadyPart, "after" | "last" | "checkedAt">[]>;
  /** Those that renewd wrote, sorted by name. */
  list(): Promise<StoredPart[]>;
  /** The lists of these parts, by `after`; without those that are not there any more as they were written. */
  members(parts: readonly StoredPart[]): Promise<ReadonlyMap<string, SteadyMembers>>;
  /** Names of certificates that have an event behind this one, and the number of their newest. */
  changedSince(seq: number): Promise<ReadonlyMap<string, number>>;
  /** Names of certificates of which a row says that something is wrong, runs, or is late. */
  suspects(terms: SuspectTerms): Promise<string[]>;
  /** Proofs that are believed, the oldest first. */
  oldestProofs(from: number, limit: number): Promise<{ readonly certificate: string; readonly at: number }[]>;
}
