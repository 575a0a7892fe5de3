import type { Renewal } from "../../domain/renewal.ts";
import type { Context } from "../context.ts";
import { hurryRenewal } from "./hurry.ts";
import { resume } from "./pause.ts";
import { resumeRenewal } from "./resume.ts";
import { knownRecord, type OperatorDecision, reasonOf, refuseObserved, subjectOf } from "./subject.ts";

/**
 * Tries again now, without issuing another certificate: a renewal in flight makes its next attempt, a held one tries
 * its failed wave, and without either the planner decides now, past any back-off. Returns the renewal; null: none is in
 * flight. Throws `request.invalid`.
 */
export async function retryNow(context: Context, decision: OperatorDecision): Promise<Renewal | null> {
  const { store, clock } = context;
  const { renewal, name, certificate } = await store.transaction((tx) => subjectOf(context, tx, decision.of));
  if (renewal?.state === "held") return resumeRenewal(context, decision);
  if (renewal !== null) return hurryRenewal(context, renewal.id, reasonOf(decision, "retried by hand"));
  refuseObserved(certificate);
  await store.transaction(async (tx) => {
    await knownRecord(tx, name);
    // Endpoints are dialled and targets inspected at once: what a person has fixed there need not wait to be seen.
    const fresh = { failures: 0, nextAttemptAt: null, nextCheckAt: clock.now(), nextObservationAt: null };
    await tx.certificates.update(name, fresh);
    await tx.deployments.inspectBy(name, clock.now());
    const detail = { why: reasonOf(decision, "retried by hand") };
    await tx.events.append({
      at: clock.now(),
      type: "certificate.retried",
      certificate: name,
      renewalId: null,
      target: null,
      detail,
    });
  });
  return null;
}

/**
 * Ends a pause or quarantine. A renewal in flight makes its next attempt now and is returned; null: none is in flight.
 */
export async function resumeCertificate(context: Context, decision: OperatorDecision): Promise<Renewal | null> {
  const { store, clock } = context;
  await resume(store, decision.of, clock.now(), decision);
  const active = await store.renewals.active(decision.of);
  return active === null ? null : hurryRenewal(context, active.id, reasonOf(decision, "resumed by hand"));
}
