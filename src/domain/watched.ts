import type { Endpoint, Observation } from "./endpoint.ts";
import type { Responsibility } from "./responsibility.ts";

/** Where a watched endpoint comes from: `watch:` in the configuration, or discovery. */
export const WATCH_ORIGINS = ["configured", "found"] as const;
export type WatchOrigin = (typeof WATCH_ORIGINS)[number];

/**
 * What a look at a watched endpoint says of it, worst first; only `good` is well. `unverifiable`: renewd cannot tell
 * from here, such as an IPv6 address without IPv6. `stale`: one address serves an older certificate than another.
 */
export const WATCH_STATES = [
  "notValid",
  "wrongCertificate",
  "badChain",
  "stale",
  "unreachable",
  "ending",
  "unverifiable",
  "unseen",
  "good",
] as const;
export type WatchState = (typeof WATCH_STATES)[number];

export interface WatchExpectations {
  /** It counts as `ending` when less is left; null: the last sixth of its life, at most 30 days. */
  readonly minLeftMs: number | null;
  /** Whether its chain must lead to a root that this machine or `trust:` of the configuration believes. */
  readonly trusted: boolean;
}

/** An endpoint whose certificate is none of renewd's. */
export interface WatchDefinition {
  /** Its name in the configuration, or `endpointKey()` of one that was found: those never look alike. */
  readonly key: string;
  readonly origin: WatchOrigin;
  readonly endpoint: Endpoint;
  readonly expects: WatchExpectations;
  readonly responsibility: Responsibility;
  /** The sources of discovery that named it, for people; empty: it is configured. */
  readonly foundBy: readonly string[];
}

/** What one address of a watched endpoint showed. */
export interface WatchedAddress {
  readonly observation: Observation;
  readonly state: WatchState;
}

/** The result of the last look. Instants are ms since epoch. */
export interface WatchLook {
  readonly at: number;
  /** The worst of its addresses. */
  readonly state: WatchState;
  /** Code and message of what is wrong; null: nothing. */
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** The first end among what its addresses serve; null: none served a certificate. */
  readonly expiresAt: number | null;
  /** Since when the state has been the same. */
  readonly since: number;
  readonly addresses: readonly WatchedAddress[];
}

export interface WatchedEndpoint extends WatchDefinition {
  /** null: nobody has looked yet. */
  readonly look: WatchLook | null;
  readonly nextLookAt: number;
}

export interface WatchChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** Takes at most `limit` of what is due at `now`, which is due again at `nextAt` if nobody records a look. */
export interface LookClaim {
  readonly now: number;
  readonly nextAt: number;
  readonly limit: number;
  /** Also those that only this vantage dials; left out: those of no vantage alone. */
  readonly vantage?: string;
}

export interface WatchedStore {
  /**
   * As configured: new and changed ones are due at once, those that left are removed. Found ones stay, unless the
   * configuration names their place now.
   */
  configure(definitions: readonly WatchDefinition[], now: number): Promise<WatchChange>;
  /** Adds what discovery found, due at once, but no place (`endpointPlace()`) that is watched already. Returns the keys. */
  addFound(definitions: readonly WatchDefinition[], now: number): Promise<string[]>;
  /** False: there is none. */
  remove(key: string): Promise<boolean>;
  get(key: string): Promise<WatchedEndpoint | null>;
  /** In order of their keys. A row that somebody else wrote is left out. */
  list(page?: { readonly after?: string; readonly limit?: number }): Promise<WatchedEndpoint[]>;
  /** Takes those that are due, most overdue first; of several verifiers one gets each. */
  claim(terms: LookClaim): Promise<WatchedEndpoint[]>;
  /** What was removed or defined anew meanwhile is left alone. */
  record(looks: readonly WatchRecord[]): Promise<void>;
  /** Looks that are due later than this are due then: nothing is put off longer by a wrong clock. */
  bringForward(by: number): Promise<void>;
  /** Those whose look was due before this instant, and since when one is due; null: there are none. */
  overdue(before: number): Promise<Overdue | null>;
}

export interface Overdue {
  readonly count: number;
  readonly since: number;
}

export interface WatchRecord {
  /** As it was claimed. */
  readonly watched: WatchDefinition;
  readonly look: WatchLook;
  readonly nextLookAt: number;
}
