import type { Renewal } from "../../domain/renewal.ts";
import type { Context } from "../context.ts";
import { resumeHeld } from "../steps/hold.ts";
import { reconcile } from "../steps/reconcile.ts";
import { invalidRequest, type OperatorDecision, reasonOf, subjectOf } from "./subject.ts";

/** The held renewal of this id, or of the certificate of this name; null: there is none. */
export async function heldRenewal({ store }: Pick<Context, "store">, of: string): Promise<Renewal | null> {
  const found = (await store.renewals.active(of)) ?? (await store.renewals.get(of));
  return found?.state === "held" ? found : null;
}

/** A held renewal tries its failed wave once more. Throws `request.invalid`. */
export async function resumeRenewal(context: Context, decision: OperatorDecision): Promise<Renewal> {
  const { store, clock } = context;
  const resumed = await store.transaction(async (tx) => {
    const { renewal, name, certificate } = await subjectOf(context, tx, decision.of);
    if (renewal?.state !== "held") throw invalidRequest(`"${name}" has no held renewal; see \`renewd status\``);
    return resumeHeld(tx, renewal, certificate, reasonOf(decision, "resumed by hand"), clock.now());
  });
  await reconcile(context, resumed.id);
  return resumed;
}
