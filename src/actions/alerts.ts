import { timingSafeEqual } from "node:crypto";
import { suggestion } from "../config/read/suggestions.ts";
import { ALERT_RULES, type Alert, isAlertRule } from "../domain/alert.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import type { Notification } from "../domain/notification.ts";
import { acknowledgeAlert as acknowledge, withdrawAlert } from "../renewal/operator/acknowledgeAlert.ts";
import { sampleAlert } from "../renewal/rules/alerts/catalog.ts";
import { type LinkClaim, readLink } from "../renewal/rules/alerts/link.ts";
import { messageOf } from "../renewal/rules/alerts/messages.ts";
import { channelsFor } from "../renewal/rules/alerts/routing.ts";
import { notificationOf } from "../renewal/rules/notificationRules.ts";
import { watchedMember } from "../renewal/rules/watched.ts";
import {
  type AlertRulesReport,
  type AlertsQuery,
  type AlertsReport,
  alertRulesReport,
  alertsReport,
} from "../reports/alerts.ts";
import { type ActionContext, type ActionError, actionError, checkedReason, type Decision } from "./context.ts";

/** `renewd alerts acknowledge --json`. */
export interface AlertAcknowledgeReport {
  readonly version: 1;
  readonly alert: string;
  readonly what: string;
  /** null: withdrawn. */
  readonly by: string | null;
}

/** `renewd alerts test --json`. */
export interface AlertTestReport {
  readonly version: 1;
  readonly rule: string;
  readonly channels: readonly AlertTestEntry[];
}

export interface AlertTestEntry {
  readonly channel: string;
  readonly sent: boolean;
  readonly error: ActionError | null;
}

const SEND_TIMEOUT_MS = 60_000;

export function listAlerts({ renewal }: ActionContext, query: AlertsQuery): Promise<AlertsReport> {
  return alertsReport(sourceOf(renewal), query, renewal.clock.now());
}

export function listAlertRules({ renewal }: ActionContext): Promise<AlertRulesReport> {
  return alertRulesReport(renewal);
}

function sourceOf({ store, settings, services }: ActionContext["renewal"]) {
  const watched = new Map(services.watched?.().map((each) => [watchedMember(each), each.responsibility]));
  return {
    ...{ store, settings: settings.alerts, channels: services.channels(), peers: services.peers?.() ?? [] },
    responsibilityOf: (member: string) => services.certificate(member)?.responsibility ?? watched.get(member) ?? null,
  };
}

/** A person takes an alert on, so that it goes to nobody else. */
export async function acknowledgeAlert(
  { renewal }: ActionContext,
  { alert, via }: { readonly alert: string; readonly via: "terminal" | "page" | "api" },
  decision: Decision,
): Promise<AlertAcknowledgeReport> {
  const reason = checkedReason(decision.reason);
  const at = renewal.clock.now();
  return reportOf(await acknowledge(renewal, { alert, via, by: decision.by, reason, at, acknowledgements: null }));
}

export async function withdrawAlertAcknowledgement(
  { renewal }: ActionContext,
  alert: string,
  { by }: Pick<Decision, "by">,
): Promise<AlertAcknowledgeReport> {
  return { ...reportOf(await withdrawAlert(renewal, { alert, by, at: renewal.clock.now() })), by: null };
}

/** What a link of a message is about. Throws `request.invalid`: it is old, or nobody with the master key made it. */
export async function alertOfLink(
  { renewal }: ActionContext,
  token: string,
): Promise<{ claim: LinkClaim; alert: Alert }> {
  const { store, clock } = renewal;
  const claim = readLink(token, store.alerts.sign, isSame);
  if (claim === null) throw new RenewalError("request.invalid", "this is no link of a message of renewd");
  if (claim.expiresAt <= clock.now()) throw new RenewalError("request.invalid", "this link is older than a day");
  const alert = await store.alerts.get(claim.alert);
  if (alert === null) throw new RenewalError("request.invalid", `there is no alert ${claim.alert} any more`);
  return { claim, alert };
}

/** By who has the message. Throws `request.invalid`, also when the link was used before. */
export async function acknowledgeByLink(
  context: ActionContext,
  { token, name, reason }: { readonly token: string; readonly name: string; readonly reason: string },
): Promise<AlertAcknowledgeReport> {
  const { claim } = await alertOfLink(context, token);
  const who = name.trim().slice(0, NAME_MAX);
  const by = who === "" ? `a reader of ${claim.channel}` : `${who} (a reader of ${claim.channel})`;
  const at = context.renewal.clock.now();
  const { alert, acknowledgements } = claim;
  const why = checkedReason(reason.trim() === "" ? "seen" : reason);
  return reportOf(await acknowledge(context.renewal, { alert, acknowledgements, by, reason: why, at, via: "link" }));
}

const NAME_MAX = 60;

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function reportOf(alert: Alert): AlertAcknowledgeReport {
  return { version: 1, alert: alert.id, what: alert.what, by: alert.acknowledgement?.by ?? null };
}

/** Sends an alert of the rule, marked as a test, to the channels that would get it. */
export async function testAlertRule(
  { renewal }: Pick<ActionContext, "renewal">,
  rule: string,
): Promise<AlertTestReport> {
  if (!isAlertRule(rule))
    throw new RenewalError("request.invalid", `"${rule.slice(0, 80)}" is no rule${suggestion(rule, ALERT_RULES)}`);
  const { clock, services, settings } = renewal;
  const now = clock.now();
  const alert = sampleAlert(rule, now);
  const routing = { routes: settings.alerts.routes, channels: services.channels(), certificate: () => null };
  const names = channelsFor(alert, routing);
  const message = messageOf("opened", alert, names, now);
  const of = { seq: 0, at: now, renewalId: null, worker: "" };
  const notification = notificationOf({ ...of, ...message });
  if (notification === null) throw new TypeError("a message that is none");
  // A test alert is there for nobody to acknowledge.
  const { acknowledge: _, ...rest } = notification;
  const test = { ...rest, id: `test-${now}`, event: "test", message: `[test] ${rest.message}` } as const;
  return { version: 1, rule, channels: await Promise.all(names.map((name) => sendTest(renewal, name, test))) };
}

/** As the alert would look and ring. A service that keeps alerts is sent its end as well, so that none is left open. */
async function sendTest(
  { services, store }: ActionContext["renewal"],
  name: string,
  test: Notification,
): Promise<AlertTestEntry> {
  const channel = services.channels().get(name);
  const bounded = AbortSignal.timeout(SEND_TIMEOUT_MS);
  try {
    await channel?.send(test, bounded);
    const end = { ...test, id: `${test.id}-end`, severityBefore: test.severity, resolves: true, action: null };
    if (channel?.keepsAlerts === true) await channel.send(end, bounded);
    // It works again: what it could not deliver need not wait for the end of its back-off.
    await store.cursors.retryNow(name);
    return { channel: name, sent: true, error: null };
  } catch (thrown) {
    return { channel: name, sent: false, error: actionError(toRenewalError(thrown)) };
  }
}
