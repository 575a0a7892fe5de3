import { raceAbort } from "../../domain/abort.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";

/** Beyond this many the oldest count as deaths of their worker, which costs a pause at most. */
const OWED_MAX = 1_000;

/** Gives back a claim, guarded by its fence. */
type GiveBack = () => Promise<unknown>;

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

/**
 * The claim, or null. A claim lasts no longer than its lease, so an answer after that is worth nothing: it is not waited
 * for, and what it claimed is given back.
 */
export async function claimInTime<Row>(
  context: Context,
  claim: () => Promise<Row | null>,
  giveBack: (row: Row) => Promise<unknown>,
  signal: AbortSignal,
): Promise<Row | null> {
  const { leaseMs } = context.settings;
  const deadline = AbortSignal.timeout(leaseMs);
  const claiming = claim();
  try {
    return await raceAbort(AbortSignal.any([signal, deadline]), () => claiming);
  } catch (thrown) {
    claiming.then(
      (late) => (late === null ? undefined : returnClaim(context, () => giveBack(late))),
      () => {},
    );
    if (signal.aborted || !deadline.aborted) throw thrown;
    throw new RenewalError("store.unavailable", `the database did not answer a claim within ${leaseMs / 1_000} s`);
  }
}

/**
 * Runs what follows a claim. When the database goes away meanwhile, the claim is given back, at the latest when the
 * database answers again: nothing of what was claimed has failed.
 */
export async function underClaim<T>(context: Context, giveBack: GiveBack, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const { code } = toRenewalError(thrown);
    if (code === "store.unavailable" || code === "store.conflict") await returnClaim(context, giveBack);
    throw thrown;
  }
}

async function returnClaim({ owedClaims, log }: Context, giveBack: GiveBack): Promise<void> {
  try {
    await giveBack();
  } catch (thrown) {
    owedClaims?.add(giveBack);
    log.debug({ err: toRenewalError(thrown) }, "a claim is given back when the database answers again");
  }
}
