import { z } from "zod";
import { SEVERITIES } from "../../domain/notification.ts";
import { duration } from "./duration.ts";
import { timeZone } from "./maintenance.ts";
import { secretReference } from "./secretReference.ts";

const names = z.array(z.string().min(1).max(64)).min(1).max(50);
const severity = z.enum(SEVERITIES);
const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;
export const minute = z
  .string()
  .regex(TIME, { error: "must be a time of day such as 22:00, in quotes", abort: true })
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));

const falling = (steps: readonly number[]): boolean => steps.every((step, i) => i === 0 || step < (steps[i - 1] ?? 0));
const FALLING = "must fall: the last one is the last warning";

const quietHours = z
  .strictObject({
    from: minute.describe('Begin, such as `"22:00"`.'),
    until: minute.describe('End, such as `"07:00"`; the next day where it is earlier than `from`.'),
    timeZone: timeZone.describe("Whose clock, such as `Europe/Berlin`."),
    holds: severity
      .default("warning")
      .describe("The most severe message that waits. One at a last threshold never waits."),
  })
  .refine(({ from, until }) => from !== until, { path: ["until"], message: "is the same as `from`" });

const thresholds = z.strictObject({
  lifeLeft: z
    .array(z.number().gt(0).lt(1))
    .max(10)
    .refine(falling, FALLING)
    .default([0.2, 0.1, 0.03])
    .describe("Fractions of the certificate's own life that are left, in falling order."),
  attemptsLeft: z
    .array(z.int().min(1).max(98))
    .max(10)
    .refine(falling, FALLING)
    .default([30, 10])
    .describe("Renewal attempts that still fit before it expires, in falling order."),
});

const escalationStep = z.strictObject({
  after: duration({ min: "1s", max: "30d" }).describe("Time since the first message, while nobody has acknowledged."),
  channels: names.describe("The channels that are notified then. Their `from` is ignored."),
  from: severity.default("page").describe("Only alerts at least this severe."),
});

const route = z.strictObject({
  severity: severity.optional().describe("Alerts at least this severe."),
  certificates: names.optional().describe("Names of certificates; `*` stands for any characters."),
  issuers: names.optional(),
  targets: names.optional(),
  teams: names.optional().describe("Teams of certificates."),
  labels: z.record(z.string(), z.string()).default({}).describe("Labels of certificates, all of which must fit."),
  channels: names.describe("Where they go."),
});

export const alertsSchema = z.strictObject({
  openAfter: duration({ min: "1ms", max: "1d" })
    .prefault("1m")
    .describe("A cause that is gone sooner is not notified of. At a last threshold nothing waits."),
  resolveAfter: duration({ min: "1ms", max: "1d" })
    .prefault("5m")
    .describe("A cause counts as over when it has been gone for this long."),
  storm: z
    .strictObject({
      alerts: z.int().min(1).max(1_000).default(10).describe("Alerts with a message of their own within `window`."),
      window: duration({ min: "1s", max: "1d" }).prefault("10m"),
    })
    .prefault({})
    .describe("More alerts than that become one digest."),
  quietHours: quietHours.optional().describe("When messages wait. Default: never."),
  thresholds: thresholds.prefault({}).describe("When people are notified again, because time runs out."),
  escalation: z
    .array(escalationStep)
    .max(10)
    .refine((steps) => steps.every(({ after }, i) => i === 0 || after > (steps[i - 1]?.after ?? 0)), {
      message: "`after` must rise from step to step",
    })
    .default([])
    .describe("Who is notified next of an alert that nobody acknowledges, step by step."),
  escalateAgain: duration({ min: "1m", max: "30d" })
    .optional()
    .describe(
      "So long after the last step the steps begin again, each after its own time, until somebody acknowledges. Default: never.",
    ),
  routes: z
    .array(route)
    .max(100)
    .default([])
    .describe("Which channels get which alerts: all routes that fit add theirs. What fits none goes to every channel."),
  selfTest: z
    .strictObject({
      every: duration({ min: "1h", max: "365d" }).prefault("7d").describe("How often each channel is tried by itself."),
    })
    .prefault({})
    .describe("A test message by each channel; one that fails is an alert on the others."),
});

export const heartbeatSchema = z.strictObject({
  url: secretReference.describe(
    "Reference to the URL that is asked: of healthchecks.io, Dead Man's Snitch or another.",
  ),
  every: duration({ min: "10s", max: "1d" }).prefault("1m"),
  style: z
    .enum(["healthchecks", "plain"])
    .default("healthchecks")
    .describe(
      "`healthchecks`: POST, with `/start` and `/fail` appended for a start and a failure. `plain`: a GET after each " +
        "success and nothing else, as Dead Man's Snitch and most others want it.",
    ),
});

export const exerciseSchema = z.strictObject({
  certificate: z
    .string()
    .min(1)
    .max(64)
    .describe("A certificate of this file that nothing depends on and that says so: `sacrificial: true`."),
  every: duration({ min: "1h", max: "365d" }).prefault("30d").describe("How often it is broken."),
  acknowledgeWithin: duration({ min: "1s", max: "1d" })
    .prefault("30m")
    .describe("How long people have to acknowledge. Longer than the steps of `alerts.escalation` that you want tried."),
});

export const canarySchema = z.strictObject({
  certificate: z.string().min(1).max(64).describe("A certificate of this file that nothing depends on."),
  every: duration({ min: "1m", max: "30d" }).prefault("24h").describe("How often it is issued, deployed and verified."),
});
