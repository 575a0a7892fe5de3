import { z } from "zod";
import { type Notification, SEVERITIES, type Severity } from "../domain/notification.ts";
import type { Plugin } from "../domain/plugin.ts";
import { NOBODY } from "../domain/responsibility.ts";
import { inertLine } from "../domain/text.ts";
import { DAY_MS, HOUR_MS, isoInstant, MINUTE_MS } from "../domain/time.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, serviceUrl } from "./post.ts";
import { wordsOf } from "./words.ts";

/** An alert without an end is taken for over after Alertmanager's resolve_timeout, 5 minutes by default. */
const OPEN_MS = 30 * DAY_MS;
/** Of what only happened, nobody says that it is over. */
const NEWS_MS = HOUR_MS;
/** It keeps alerts in memory only: after its restart it knows none until somebody posts them again. */
const REPEAT_MS = 5 * MINUTE_MS;

const optionsSchema = z.strictObject({
  url: serviceUrl.describe("Base URL of an Alertmanager, such as `https://alertmanager.example.org`."),
  token: secretOption.optional().describe("Reference to a bearer token, for a proxy in front of it."),
  labels: z
    .record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string().max(200))
    .default({})
    .describe("More labels for its routes, such as `team: platform`."),
});
type AlertmanagerOptions = z.infer<typeof optionsSchema>;

/** API v2 (github.com/prometheus/alertmanager, api/v2/openapi.yaml): alerts are equal when their labels are. */
export const alertmanager: Plugin<AlertmanagerOptions, ChannelDependencies, Send> = {
  type: "alertmanager",
  description: "Opens an alert in Prometheus' Alertmanager, and ends it when its cause is over.",
  options: optionsSchema,
  keepsAlerts: true,
  repeatMs: REPEAT_MS,
  create:
    ({ url, token, labels }, { channel, secret }) =>
    async (notification, signal) => {
      const bearer = token === undefined ? null : (await secret(token)).reveal().trim();
      const headers = bearer === null ? {} : { authorization: `Bearer ${bearer}` };
      const body = JSON.stringify(alertsOf(notification, labels));
      await postJson({ channel, url: new URL(`${url}/api/v2/alerts`), body, headers }, signal);
    },
};

/** Alertmanager tells alerts apart by their labels, so one that became more severe ends the one before it. */
function alertsOf(notification: Notification, labels: Readonly<Record<string, string>>): object[] {
  const { event, severity, severityBefore, resolves } = notification;
  const isAlert = event.startsWith("alert.") || severityBefore !== undefined;
  // A success ends no alert, and a test of the channel has none: that it answers is all there is to know.
  if (resolves && !isAlert) return [];
  // What an older release wrote does not say how severe it was.
  if (resolves) return (severityBefore === undefined ? SEVERITIES : [severityBefore]).map(ended);
  const isOther = severityBefore !== undefined && severityBefore !== severity;
  return [open(), ...(isOther ? [ended(severityBefore)] : [])];

  function open(): object {
    const { at } = notification;
    const openMs = isAlert ? OPEN_MS : NEWS_MS;
    return { ...alertOf(severity), startsAt: isoInstant(at), endsAt: isoInstant(Math.max(at, Date.now()) + openMs) };
  }

  /** Its beginning is not known, and an end must not lie before it. */
  function ended(before: Severity): object {
    return { ...alertOf(before), endsAt: isoInstant(notification.at) };
  }

  function alertOf(each: Severity): object {
    return {
      labels: { alertname: "Renewd", alert: notification.alert, severity: each, ...labels },
      annotations: annotationsOf(notification),
    };
  }
}

/** No labels: those are the alert's identity, and what another owner or one more certificate changed would never end. */
function annotationsOf(notification: Notification): object {
  const { certificate, event, acknowledgeUrl, responsibility, more = [] } = notification;
  const { message, action } = wordsOf(notification);
  const { owner, team, runbook } = responsibility ?? NOBODY;
  const facts = Object.fromEntries(more.map(([name, value]) => [nameOf(name), inertLine(value)]));
  return {
    ...{ ...facts, summary: message, description: action ?? "", event },
    ...(certificate !== null && { certificate }),
    ...(owner !== null && { owner }),
    ...(team !== null && { team }),
    ...(runbook !== null && { runbook_url: runbook }),
    ...(acknowledgeUrl !== undefined && { acknowledge_url: acknowledgeUrl }),
  };
}

/** `First to expire` is `first_to_expire`. */
function nameOf(fact: string): string {
  return fact.toLowerCase().replace(/[^a-z0-9]+/g, "_");
}
