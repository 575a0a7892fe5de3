import type { CertificateRecord } from "../../domain/certificate.ts";
import type { EventType } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";

/** What pauses a certificate and what ends a pause; a failure may quarantine it. */
const PAUSES = ["certificate.paused", "certificate.resumed", "renewal.failed"] as const satisfies readonly EventType[];

/**
 * A row that renewd wrote earlier keeps its seal, so whoever put a pause back that a person has ended would be obeyed:
 * the history says which came last. Part of the caller's transaction; returns the columns.
 */
export async function endPutBackPause(tx: Store, record: CertificateRecord, now: number): Promise<string[]> {
  if (record.pausedAt === null) return [];
  const certificate = record.name;
  const [last] = await tx.events.list({ certificate, types: PAUSES, limit: 1, sealed: true });
  if (last?.type !== "certificate.resumed") return [];
  const ended = { pausedAt: null, pausedUntil: null, pausedReason: null };
  await tx.certificates.update(certificate, { ...ended, nextCheckAt: now });
  return ["pausedAt"];
}
