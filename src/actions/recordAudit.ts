import type { Store } from "../domain/store.ts";
import { type AuditReport, auditFaults, isWhole } from "../reports/audit.ts";

/**
 * What an audit of the history found, for those who read the history: pages show it with its time. Not where the record
 * of which events there must be is gone: an event would begin another, and the next audit would find nothing wrong.
 */
export async function recordAudit(
  { events: history }: Pick<Store, "events">,
  report: AuditReport,
  by: string | null,
  at: number,
): Promise<void> {
  if (report.headProblem === "absent") return;
  const message = auditFaults(report);
  const detail = { whole: isWhole(report), events: report.events, by, ...(message !== "" && { message }) };
  await history.append({ at, type: "history.audited", certificate: null, renewalId: null, target: null, detail });
}
