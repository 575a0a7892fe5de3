import type { Version } from "./version.ts";

/** What a CA's certificate revocation list says of a certificate (RFC 5280 §5.3). */
export interface Revocation {
  /** ms since epoch. */
  readonly at: number;
  /** Name of the CRLReason, such as `keyCompromise`. */
  readonly reason: string;
}

export interface RevocationLists {
  /** http and https URLs of the lists that cover the version (RFC 5280 §4.2.1.13); empty: none that can be checked. */
  urlsOf(version: Version): readonly string[];
  /**
   * Fetches one list and returns those of these versions that it revokes, each checked against the issuer's signature.
   * All versions name this URL. Throws a RenewalError.
   */
  fetch(url: string, versions: readonly Version[], signal: AbortSignal): Promise<ReadonlyMap<Version, Revocation>>;
}

/** When each list is asked for next, over all processes. */
export interface CrlStore {
  /** True: it is due, and this caller's alone until `nextAt`. One never heard of is due. */
  claim(url: string, terms: { readonly now: number; readonly nextAt: number }): Promise<boolean>;
  postpone(url: string, nextAt: number): Promise<void>;
  /** Deletes lists that were due before this instant and not claimed since: no certificate names them any more. */
  forget(before: number): Promise<void>;
}
