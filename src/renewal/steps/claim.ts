import { raceAbort } from "../../domain/abort.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { isStoreAway } from "../../domain/errorTable.ts";
import type { Context } from "../context.ts";
import type { GiveBack } from "../owedClaims.ts";

/**
 * The claim, or null. A claim lasts no longer than its lease, so an answer after that is worth nothing: it is not
 * awaited, and what it claimed is given back.
 */
export async function claimInTime<Row>(
  context: Context,
  claim: () => Promise<Row | null>,
  giveBack: (row: Row) => Promise<unknown>,
  signal: AbortSignal,
): Promise<Row | null> {
  const { clock, settings } = context;
  const { leaseMs } = settings;
  const claimedAt = clock.monotonic();
  const deadline = AbortSignal.timeout(leaseMs);
  const claiming = claim();
  try {
    const row = await raceAbort(AbortSignal.any([signal, deadline]), () => claiming);
    if (row !== null) context.leaseRenewed?.(Math.max(0, claimedAt + leaseMs - clock.monotonic()));
    return row;
  } catch (thrown) {
    claiming.then(
      (late) => (late === null ? undefined : returnClaim(context, () => giveBack(late))),
      () => {},
    );
    if (signal.aborted || !deadline.aborted) throw thrown;
    context.leaseRenewed?.(0);
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
    if (isStoreAway(code) || code === "store.conflict") await returnClaim(context, giveBack);
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
