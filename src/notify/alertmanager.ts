import { z } from "zod";
import { type Notification, SEVERITIES } from "../domain/notification.ts";
import type { Plugin } from "../domain/plugin.ts";
import { NOBODY } from "../domain/responsibility.ts";
import { DAY_MS, isoInstant } from "../domain/time.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, serviceUrl } from "./post.ts";
import { wordsOf } from "./words.ts";

/** An alert without an end is taken for over after Alertmanager's resolve_timeout, 5 minutes by default. */
const OPEN_MS = 30 * DAY_MS;

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
  create:
    ({ url, token, labels }, { channel, secret }) =>
    async (notification, signal) => {
      const bearer = token === undefined ? null : (await secret(token)).reveal().trim();
      const headers = bearer === null ? {} : { authorization: `Bearer ${bearer}` };
      const body = JSON.stringify(alertsOf(notification, labels));
      await postJson({ channel, url: new URL(`${url}/api/v2/alerts`), body, headers }, signal);
    },
};

/** One that resolves does not know how severe the other was, so it ends those of each severity. */
function alertsOf(notification: Notification, labels: Readonly<Record<string, string>>): object[] {
  const { at, alert, certificate, event, severity, resolves } = notification;
  const { message, action } = wordsOf(notification);
  const { owner, team, runbook } = notification.responsibility ?? NOBODY;
  return (resolves ? SEVERITIES : [severity]).map((each) => ({
    labels: {
      alertname: "Renewd",
      alert,
      severity: each,
      ...(certificate !== null && { certificate }),
      ...labels,
    },
    annotations: {
      ...{ summary: message, description: action ?? "", event },
      // Not labels: those are the alert's identity, and another owner would leave the alert of the first open.
      ...(owner !== null && { owner }),
      ...(team !== null && { team }),
      ...(runbook !== null && { runbook_url: runbook }),
    },
    // An end must not lie before the beginning, and what resolves does not know when that was.
    ...(resolves ? {} : { startsAt: isoInstant(at) }),
    endsAt: isoInstant(resolves ? at : at + OPEN_MS),
  }));
}
