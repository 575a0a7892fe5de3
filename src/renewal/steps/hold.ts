import type { Certificate } from "../../domain/certificate.ts";
import { ERRORS } from "../../domain/errorTable.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { renewalEvent } from "../history.ts";
import type { Action } from "../rules/advance.ts";
import { redeployDrifted } from "./redeployDrifted.ts";

/** What `advance` says of a wave that failed. */
export type WaveFailed = Extract<Action, { kind: "hold" | "rollBack" }>;

/**
 * Stops a renewal after a failed wave: targets of later waves keep their pair until a person decides. Part of the
 * caller's transaction.
 */
export async function holdRenewal(
  tx: Store,
  renewal: Renewal,
  { wave, code, message }: WaveFailed,
  now: number,
): Promise<void> {
  // Decided again at once: that says how long the old pair stays good.
  await tx.renewals.update(renewal.id, renewal.fence, {
    state: "held",
    errorCode: code,
    errorMessage: message,
    nextActionAt: now,
  });
  const { generation } = renewal;
  await tx.events.append(
    renewalEvent(renewal, now, "renewal.held", { wave, generation, code, message, action: ERRORS[code].action }),
  );
}

/**
 * Tries again what failed: failed targets, and targets behind unproved endpoints (somebody may have overwritten the
 * pair), then the later waves. Returns the changed renewal.
 */
export async function resumeHeld(
  tx: Store,
  renewal: Renewal,
  certificate: Certificate,
  why: string,
  now: number,
): Promise<Renewal> {
  const { generation } = renewal;
  await redeployDrifted(tx, { certificate, generation, renewalId: renewal.id }, now);
  await tx.observations.retry(certificate.name, generation);
  const patch = { state: "deploying", errorCode: null, errorMessage: null, nextActionAt: now } as const;
  await tx.renewals.update(renewal.id, renewal.fence, patch);
  await recordResumed(tx, renewal, why, now);
  return { ...renewal, ...patch };
}

/**
 * Makes the planner, or the certificate's held renewal, decide again now: something new is known about the certificate.
 */
export async function wakePlanner(tx: Store, certificate: string, now: number): Promise<void> {
  const active = await tx.renewals.active(certificate);
  if (active === null) await tx.certificates.update(certificate, { nextCheckAt: now });
  else if (active.state === "held") await tx.renewals.update(active.id, active.fence, { nextActionAt: now });
}

export async function recordResumed(tx: Store, renewal: Renewal, why: string, now: number): Promise<void> {
  await tx.events.append(renewalEvent(renewal, now, "renewal.resumed", { why }));
}
