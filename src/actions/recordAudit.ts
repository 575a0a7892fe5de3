import type { Store } from "../domain/store.ts";
import { type AuditReport, auditFaults, isWhole } from "../reports/audit.ts";

/** What an audit of the history found, for those who read the history: pages show it with its time. */
export async function recordAudit(
  { events: history }: Pick<Store, "events">,
  report: AuditReport,
  by: string | null,
  at: number,
): Promise<void> {
  const message = auditFaults(report);
  const detail = { whole: isWhole(report), events: report.events, by, ...(message !== "" && { message }) };
  await history.append({ at, type: "history.audited", certificate: null, renewalId: null, target: null, detail });
}
