import { randomUUID } from "node:crypto";
import type { Certificate } from "../../domain/certificate.ts";
import type { Reason, Renewal, Trigger } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";

/** BullMQ's largest priority number is 2^21 - 1; smaller is more urgent. */
const PRIORITY_MAX = 2_000_000;

export interface RenewalPlan {
  readonly certificate: Certificate;
  readonly generation: number;
  readonly reason: Reason;
  readonly detail: string;
  readonly trigger: Trigger;
  /** null: a fresh one. */
  readonly id: string | null;
  /** null: the certificate's first. */
  readonly issuer: string | null;
  /** See `runwayPriority`. */
  readonly priority: number;
}

/** Inserts a renewal with its event; part of the caller's transaction. Null: the certificate has one already. */
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
    openClaims: 0,
    attempts: 0,
    retryAt: null,
    nextActionAt: now,
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

/** Minutes left before expiry: what expires first goes first. Without a certificate nothing is served: most urgent. */
export function runwayPriority(version: Version | null, now: number): number {
  if (version === null) return 1;
  return Math.min(PRIORITY_MAX, Math.max(1, Math.floor((version.leaf.notAfter - now) / 60_000)));
}
