import type { z } from "zod";
import type { Config } from "./config.ts";
import type { alertsSchema, canarySchema, exerciseSchema, heartbeatSchema } from "./schema/alerts.ts";
import type { reportSchema } from "./schema/report.ts";

export function resolveAlerts(
  section: z.output<typeof alertsSchema>,
  {
    canary,
    exercise,
    heartbeat,
  }: {
    readonly canary: z.output<typeof canarySchema> | undefined;
    readonly exercise: z.output<typeof exerciseSchema> | undefined;
    readonly heartbeat: z.output<typeof heartbeatSchema> | undefined;
  },
): Config["alerts"] {
  const { openAfter, resolveAfter, storm, quietHours, thresholds, escalation, escalateAgain, routes, selfTest } =
    section;
  return {
    openAfterMs: openAfter,
    resolveAfterMs: resolveAfter,
    storm: { alertsMax: storm.alerts, windowMs: storm.window },
    quietHours:
      quietHours === undefined
        ? null
        : {
            fromMinute: quietHours.from,
            untilMinute: quietHours.until,
            timeZone: quietHours.timeZone,
            holds: quietHours.holds,
          },
    thresholds,
    escalation: escalation.map(({ after, ...step }) => ({ ...step, afterMs: after })),
    escalateAgainMs: escalateAgain ?? null,
    routes: routes.map(({ severity = null, certificates = [], issuers = [], targets = [], teams = [], ...route }) => ({
      ...{ severity, certificates, issuers, targets, teams },
      ...route,
    })),
    heartbeat: heartbeat !== undefined,
    canary: canary === undefined ? null : { certificate: canary.certificate, everyMs: canary.every },
    exercise:
      exercise === undefined
        ? null
        : {
            certificate: exercise.certificate,
            everyMs: exercise.every,
            acknowledgeMs: exercise.acknowledgeWithin,
          },
    selfTestMs: selfTest.every,
  };
}

export function resolveReport({ time, ...report }: z.output<typeof reportSchema>): Config["report"] {
  return { ...report, minute: time };
}
