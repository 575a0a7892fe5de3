import type { AlertAcknowledgeReport, AlertTestReport } from "../../actions/alerts.ts";
import type { ExerciseStartReport } from "../../actions/exercise.ts";
import type { AlertRulesReport, AlertsReport } from "../../reports/alerts.ts";
import type { Connection } from "./connection.ts";
import type { Desk } from "./desk.ts";
import { document, search } from "./documents.ts";

type AlertDesk = Pick<
  Desk,
  "alerts" | "alertRules" | "acknowledgeAlert" | "withdrawAlert" | "testAlertRule" | "startExercise"
>;

/** Alerts of a renewd elsewhere. */
export function alertsAt(server: Connection): AlertDesk {
  const cause = (alert: string, verb: string): string => `/causes/${encodeURIComponent(alert)}/${verb}`;
  return {
    alerts: ({ alert, all }) =>
      server.get(`/documents/alerts${search({ alert, all: all ? "true" : null })}`, document<AlertsReport>(1)),
    alertRules: () => server.get("/documents/alert-rules", document<AlertRulesReport>(1)),
    acknowledgeAlert: (alert, reason) =>
      server.post(cause(alert, "acknowledge"), { reason: reason ?? "" }, document<AlertAcknowledgeReport>(1)),
    withdrawAlert: (alert) => server.post(cause(alert, "withdraw"), {}, document<AlertAcknowledgeReport>(1)),
    startExercise: (reason) => server.post("/exercises", { reason: reason ?? "" }, document<ExerciseStartReport>(1)),
    testAlertRule: (rule) =>
      server.post(`/alert-rules/${encodeURIComponent(rule)}/test`, {}, document<AlertTestReport>(1)),
  };
}
