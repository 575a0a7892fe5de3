/** Beyond this many the oldest count as deaths of their worker, which costs a pause at most. */
const OWED_MAX = 1_000;

/** Gives back a claim, guarded by its fence. */
export type GiveBack = () => Promise<unknown>;

/**
 * Claims of this process that could not be given back because the database was away. They are no deaths: five short
 * outages must not put a certificate into quarantine.
 */
export class OwedClaims {
  readonly #owed = new Set<GiveBack>();

  add(giveBack: GiveBack): void {
    this.#owed.add(giveBack);
    for (const oldest of this.#owed) if (this.#owed.size > OWED_MAX) this.#owed.delete(oldest);
  }

  /** Throws while the database is away. */
  async giveBack(): Promise<void> {
    for (const giveBack of this.#owed) {
      await giveBack();
      this.#owed.delete(giveBack);
    }
  }
}
