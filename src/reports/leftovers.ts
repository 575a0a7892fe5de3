/** `renewd leftovers --json`. */
export interface LeftoversReport {
  readonly version: 1;
  readonly leftovers: readonly {
    readonly certificate: string;
    readonly target: string;
    readonly leftAt: string;
    readonly places: readonly string[];
    /** Addresses that may still be served from there: a server without its key file neither starts nor reloads. */
    readonly servedAt: readonly string[];
    /** Files that this command removed; null: it removed nothing there. */
    readonly removed: readonly string[] | null;
  }[];
}
