/** What a CA suggests for one of its certificates (RFC 9773 §4.2). Instants are ms since epoch. */
export interface RenewalInfo {
  readonly start: number;
  readonly end: number;
  /**
   * A page that says why; an https URL of printable ASCII, at most 2,000 characters. null: none, or none that can be
   * shown.
   */
  readonly explanationUrl: string | null;
  /** When the CA wants to be asked again, 1 minute to 1 day from now. */
  readonly pollAt: number;
}

/** What is remembered of a CA's suggestion for the latest version of a certificate. Instants are ms since epoch. */
export interface RenewalInfoRecord {
  readonly certificate: string;
  /** The version it is about: of no meaning for any other. */
  readonly generation: number;
  /** null: no suggestion, so the certificate's own window holds. Then `windowEnd` and `renewAt` are null too. */
  readonly windowStart: number | null;
  readonly windowEnd: number | null;
  /** Chosen uniformly at random in the window, once per window. */
  readonly renewAt: number | null;
  readonly explanationUrl: string | null;
  /** When the CA last confirmed it. */
  readonly polledAt: number | null;
  /** null: not asked any more. */
  readonly nextPollAt: number | null;
  /**
   * Versions in a row whose window had begun already at the first poll, when the version was fresh. Kept over versions.
   */
  readonly overdueInRow: number;
  /** When a version was last issued because the CA's window asked for it. Kept over versions; null: never. */
  readonly orderedAt: number | null;
  /** Polls that failed in a row. */
  readonly failures: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}
