import type { CertificateRecord } from "../../domain/certificate.ts";
import type { EventType, HistoryEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";

/** What pauses a certificate and what ends a pause. */
const PAUSES = ["certificate.paused", "certificate.resumed", "renewal.failed"] as const satisfies readonly EventType[];
/** Back-off keeps failures apart: more since a pause ended take years. */
const EVENTS_MAX = 1_000;

/**
 * A row that renewd wrote earlier keeps its seal, so whoever put a pause back that a person has ended would be obeyed:
 * the history says which came last. Part of the caller's transaction; returns the columns.
 */
export async function endPutBackPause(tx: Store, record: CertificateRecord, now: number): Promise<string[]> {
  if (record.pausedAt === null) return [];
  const certificate = record.name;
  const events = await tx.events.list({ certificate, types: PAUSES, limit: EVENTS_MAX, sealed: true });
  if (events.findLast(isAboutPause)?.type !== "certificate.resumed") return [];
  const ended = { pausedAt: null, pausedUntil: null, pausedReason: null };
  await tx.certificates.update(certificate, { ...ended, nextCheckAt: now });
  return ["pausedAt"];
}

/** Of failures, only one after repeated crashes puts a certificate into quarantine, which is a pause. */
function isAboutPause({ type, detail }: HistoryEvent): boolean {
  return type !== "renewal.failed" || detail.code === "internal.crashLoop";
}
