/** Takes at most `limit` of what is due at `now`, which is due again at `nextAt`. */
export interface DueClaim {
  readonly now: number;
  readonly nextAt: number;
  readonly limit: number;
}
