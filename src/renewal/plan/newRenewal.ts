import { randomUUID } from "node:crypto";
import type { Certificate } from "../../domain/certificate.ts";
import type { Reason, Renewal, Trigger } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";

export interface RenewalPlan {
  readonly certificate: Certificate;
  readonly generation: number;
  readonly reason: Reason;
  readonly detail: string;
  readonly trigger: Trigger;
  /** null: a new one. */
  readonly id: string | null;
  /** null: the certificate's first. */
  readonly issuer: string | null;
  /** See `runwayPriority`. */
  readonly priority: number;
  /** When the sweep looks for it. Default: now. */
  readonly nextActionAt?: number;
}

/** Inserts a renewal with its event, in the caller's transaction. Null: the certificate has an active one already. */
export async function insertRenewal(tx: Store, plan: RenewalPlan, now: number): Promise<Renewal | null> {
  const { certificate, generation, reason, detail, trigger, issuer, priority } = plan;
  const renewal: Renewal = {
    id: plan.id ?? randomUUID(),
    certificate: certificate.name,
    generation,
    reason,
    reasonDetail: detail,
    trigger,
    state: "planned",
    issuer,
    fence: 0,
    leaseUntil: null,
    priority,
    digest: certificate.digest,
    issueDigest: certificate.issueDigest,
    openClaims: 0,
    attempts: 0,
    retryAt: null,
    nextActionAt: plan.nextActionAt ?? now,
    createdAt: now,
    finishedAt: null,
    errorCode: null,
    errorMessage: null,
  };
  if (!(await tx.renewals.insert(renewal))) return null;
  await tx.certificates.update(certificate.name, { nextCheckAt: null });
  await tx.events.append({
    at: now,
    type: "renewal.planned",
    certificate: certificate.name,
    renewalId: renewal.id,
    target: null,
    detail: { reason, detail, trigger, generation },
  });
  return renewal;
}
