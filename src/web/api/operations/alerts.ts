import { z } from "zod";
import {
  acknowledgeAlert,
  listAlertRules,
  listAlerts,
  testAlertRule,
  withdrawAlertAcknowledgement,
} from "../../../actions/alerts.ts";
import { startExercise } from "../../../actions/exercise.ts";
import { operation } from "../operation.ts";
import { neededReasonBody, reasonBody } from "./bodies.ts";
import { orNotFound } from "./subjects.ts";

const params = z.strictObject({ alert: z.string().min(1).max(100) });

/** Alerts grouped by cause. What is wrong with each certificate is `/alerts`. */
export const alertOperations = [
  operation({
    id: "getAlertsDocument",
    method: "get",
    path: "/documents/alerts",
    tag: "Documents",
    summary: "`renewd alerts --json`: what is wrong, grouped by cause, with who has taken it on and who is next.",
    query: z.strictObject({
      alert: z.string().min(1).max(100).optional().describe("Only this one, also when it is over."),
      all: z.boolean().optional().describe("Also those that are over."),
    }),
    answer: { document: "AlertsReport" },
    run: ({ web, query: { alert = null, all = false } }) => listAlerts(web, { alert, all }),
  }),
  operation({
    id: "getAlertRulesDocument",
    method: "get",
    path: "/documents/alert-rules",
    tag: "Documents",
    summary: "`renewd alerts rules --json`: what can raise an alert, and when each rule last did.",
    answer: { document: "AlertRulesReport" },
    run: ({ web }) => listAlertRules(web),
  }),
  operation({
    id: "acknowledgeAlert",
    method: "post",
    path: "/causes/{alert}/acknowledge",
    tag: "Act",
    summary: "Take an alert on: it goes to nobody else until it gets worse.",
    params,
    body: neededReasonBody,
    answer: { document: "AlertAcknowledgeReport" },
    run: ({ web, params: { alert }, decision }) =>
      orNotFound(() => acknowledgeAlert(web, { alert, via: "api" }, decision)),
  }),
  operation({
    id: "withdrawAlert",
    method: "post",
    path: "/causes/{alert}/withdraw",
    tag: "Act",
    summary: "Somebody else has to take it on after all.",
    params,
    body: reasonBody,
    answer: { document: "AlertAcknowledgeReport" },
    run: ({ web, params: { alert }, decision }) => orNotFound(() => withdrawAlertAcknowledgement(web, alert, decision)),
  }),
  operation({
    id: "testAlertRule",
    method: "post",
    path: "/alert-rules/{rule}/test",
    tag: "Act",
    summary: "Send an alert of a rule, marked as a test, to the channels that would get it.",
    params: z.strictObject({ rule: z.string().min(1).max(100) }),
    body: reasonBody,
    answer: { document: "AlertTestReport" },
    reachesOut: true,
    run: ({ web, params: { rule } }) => orNotFound(() => testAlertRule(web, rule)),
  }),
  operation({
    id: "startExercise",
    method: "post",
    path: "/exercises",
    tag: "Act",
    summary: "Break the certificate that `exercise` names, until its alert is acknowledged.",
    body: reasonBody,
    answer: { document: "ExerciseStartReport" },
    run: ({ web, decision }) => startExercise(web, decision),
  }),
];
