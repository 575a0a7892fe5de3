import type { WeeklyReportSettings } from "../../domain/weeklyReport.ts";
import type { Context } from "../context.ts";
import { dueReport, lastScheduled } from "../rules/reportSchedule.ts";

type ReportContext = Pick<Context, "store"> & {
  readonly clock: Pick<Context["clock"], "now">;
  readonly clockGuard: Pick<Context["clockGuard"], "check">;
};

/**
 * Puts the weekly report into the outbox when its time has come. That it was, and the event that is its message, are one
 * transaction: of several planners one does it, and one that is killed loses and doubles nothing. Returns whether it was.
 */
export async function requestWeeklyReport(
  { store, clock, clockGuard }: ReportContext,
  settings: WeeklyReportSettings | null,
  signal: AbortSignal,
): Promise<boolean> {
  if (settings === null) return false;
  await clockGuard.check(signal);
  const now = clock.now();
  // Most often nothing is due: that needs no lock.
  const { reportAt: seen } = await store.alerts.state();
  if (seen !== null && seen <= now && dueReport(settings, seen, now) === null) return false;
  return store.transaction(async (tx) => {
    const state = await tx.alerts.lock();
    // The first comes at its next time. An instant of a wrong clock, later than now, counts as none.
    if (state.reportAt === null || state.reportAt > now) {
      await tx.alerts.saveState({ ...state, reportAt: lastScheduled(settings, now) });
      return false;
    }
    const until = dueReport(settings, state.reportAt, now);
    if (until === null) return false;
    await tx.alerts.saveState({ ...state, reportAt: until });
    await tx.events.append({
      ...{ at: now, type: "report.due", certificate: null, renewalId: null, target: null },
      detail: { until, channels: [settings.channel] },
    });
    return true;
  });
}
