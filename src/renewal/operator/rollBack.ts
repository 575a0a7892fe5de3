import type { Renewal, RenewalState } from "../../domain/renewal.ts";
import type { Context } from "../context.ts";
import { reconcile } from "../steps/reconcile.ts";
import { pairBefore, rollBack } from "../steps/rollBack.ts";
import {
  invalidRequest,
  knownRecord,
  type OperatorDecision,
  reasonOf,
  refuseObserved,
  refuseUnconfirmed,
  subjectOf,
} from "./subject.ts";

/** States in which a renewal's pair may be in use somewhere. */
const DEPLOYING: readonly RenewalState[] = ["deploying", "verifying", "held"];

/** Puts the last pair that was proved live and is still valid back everywhere. Throws `request.invalid`. */
export async function rollBackRenewal(context: Context, decision: OperatorDecision): Promise<Renewal> {
  const { store, clock } = context;
  const rollback = await store.transaction(async (tx) => {
    const now = clock.now();
    const { renewal, name, certificate } = await subjectOf(context, tx, decision.of);
    refuseObserved(certificate);
    const latest = await tx.versions.latest(name);
    if (latest === null) throw invalidRequest(`"${name}" has no certificate yet`);
    refuseUnconfirmed(await knownRecord(tx, name), latest);
    if (renewal !== null && !DEPLOYING.includes(renewal.state))
      throw invalidRequest(`nothing of renewal ${renewal.id} is deployed yet (it is ${renewal.state})`);
    const to = await pairBefore(tx, name, latest.generation, now);
    if (to === null)
      throw invalidRequest(
        `"${name}" has no earlier pair that was proved live and is still valid; see \`renewd show ${name}\``,
      );
    return rollBack(
      tx,
      { certificate, to, ended: renewal, why: reasonOf(decision, "rolled back by hand"), trigger: "request" },
      now,
    );
  });
  await reconcile(context, rollback.id);
  return rollback;
}
