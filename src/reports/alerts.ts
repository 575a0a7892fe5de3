import { ALERT_RULES, type Alert, type AlertReceipt, type AlertRule } from "../domain/alert.ts";
import type { AlertSettings } from "../domain/alertSettings.ts";
import { isLive } from "../domain/heartbeat.ts";
import type { Channel, Severity } from "../domain/notification.ts";
import type { PeerSource } from "../domain/peer.ts";
import { type Responsibility, responsibleAmong } from "../domain/responsibility.ts";
import type { Store } from "../domain/store.ts";
import { ALERT_RULE_TEXTS } from "../renewal/rules/alerts/catalog.ts";
import { escalationStep } from "../renewal/rules/alerts/escalation.ts";
import { headline, soonestExpiry } from "../renewal/rules/alerts/messages.ts";
import { isHeldBack } from "../renewal/rules/alerts/quietHours.ts";
import { isFrom } from "../renewal/rules/alerts/routing.ts";
import { type ExercisesReport, exercisesReport } from "./exercises.ts";
import { iso } from "./instant.ts";
import { type PeerEntry, peersReport } from "./peers.ts";

/** `renewd alerts list --json`, which `renewd alerts` is. Instants are ISO 8601. */
export interface AlertsReport {
  readonly version: 1;
  readonly at: string;
  /** A planner runs. Without one nothing is judged, and nobody is notified: these are the alerts that the last one left. */
  readonly isJudged: boolean;
  /** Those that nobody has acknowledged first, the most severe before the others; then by age. */
  readonly alerts: readonly AlertEntry[];
  readonly channels: readonly AlertChannel[];
  /** Other renewds that this one watches. */
  readonly peers: readonly PeerEntry[];
  readonly exercises: ExercisesReport;
}

/** One cause and what is known of it. */
export interface AlertEntry {
  /** What `renewd alerts acknowledge` takes. */
  readonly alert: string;
  readonly rule: AlertRule;
  readonly severity: Severity;
  readonly what: string;
  readonly action: string | null;
  /** Issuer, solver, target and error code that all of it has in common. */
  readonly cause: string;
  readonly code: string | null;
  /** Behind it now. */
  readonly certificates: readonly string[];
  /** Who answers for these, each once; empty: nobody is named. */
  readonly responsible: readonly Responsibility[];
  readonly firstBadAt: string;
  readonly openedAt: string;
  readonly notifiedAt: string | null;
  readonly resolvedAt: string | null;
  /** The cause is not there any more: since when, and when the alert is over unless it comes back. */
  readonly gone: { readonly since: string; readonly overAt: string } | null;
  /** Why nobody was notified yet; null: they were. */
  readonly waits: "openAfter" | "quietHours" | null;
  /** What changed shortly before. */
  readonly changed: readonly string[];
  /** When the first certificate behind it expires. */
  readonly expiresAt: string | null;
  /** Thresholds of life or attempts that were crossed. */
  readonly thresholds: number;
  readonly acknowledged: {
    readonly by: string | null;
    readonly reason: string;
    readonly at: string;
    readonly via: string;
  } | null;
  /** Escalation steps taken, and the next; null: there is none, or somebody has acknowledged. */
  readonly step: number;
  readonly next: { readonly at: string; readonly channels: readonly string[] } | null;
  /** Messages about it, oldest first: each channel's answer. */
  readonly receipts: readonly AlertReceiptEntry[];
}

export interface AlertReceiptEntry {
  readonly channel: string;
  readonly at: string;
  readonly outcome: AlertReceipt["outcome"];
  readonly error: string | null;
}

/** A way to reach people, and whether it works. */
export interface AlertChannel {
  readonly channel: string;
  readonly failures: number;
  readonly error: string | null;
  readonly nextAttemptAt: string | null;
  /** The newest message that its receiver took. */
  readonly lastSentAt: string | null;
  readonly selfTestAt: string | null;
  readonly selfTestError: string | null;
}

/** `renewd alerts rules --json`. */
export interface AlertRulesReport {
  readonly version: 1;
  readonly rules: readonly AlertRuleEntry[];
}

export interface AlertRuleEntry {
  readonly rule: AlertRule;
  readonly when: string;
  readonly severity: Severity;
  /** null: never, as far as the history goes back. */
  readonly lastFiredAt: string | null;
  readonly open: number;
}

export interface AlertsSource {
  readonly store: Store;
  readonly settings: AlertSettings;
  readonly channels: ReadonlyMap<string, Pick<Channel, "from">>;
  readonly peers: readonly Pick<PeerSource, "name" | "url">[];
  /** Of a certificate, or of a watched endpoint as alerts name it; null: it left the configuration. */
  readonly responsibilityOf: (member: string) => Responsibility | null;
}

export interface AlertsQuery {
  /** Also those that are over, newest first. */
  readonly all: boolean;
  /** null: every one. */
  readonly alert: string | null;
}

const ALERTS_MAX = 500;
const RECEIPTS_MAX = 2_000;

export async function alertsReport(source: AlertsSource, query: AlertsQuery, now: number): Promise<AlertsReport> {
  const { store, settings } = source;
  const listed =
    query.alert === null
      ? await store.alerts.list({ all: query.all, limit: ALERTS_MAX })
      : [await store.alerts.get(query.alert)].filter((each) => each !== null);
  const receipts = Map.groupBy(
    await store.alerts.receipts({ alerts: listed.map(({ id }) => id), limit: RECEIPTS_MAX }),
    ({ alert }) => alert,
  );
  return {
    version: 1,
    at: iso(now),
    isJudged: (await store.health.beats()).some((beat) => beat.role === "planner" && isLive(beat, now)),
    alerts: listed.toSorted(byWeight).map((alert) => ({
      ...entryOf(alert, receipts.get(alert.id) ?? [], settings, now),
      responsible: responsibleAmong(alert.members.map(({ certificate }) => source.responsibilityOf(certificate))),
    })),
    channels: await channelsOf(source),
    peers: await peersReport(store, source.peers, now),
    exercises: await exercisesReport(store, settings, now),
  };
}

function byWeight(a: Alert, b: Alert): number {
  const weight = ({ resolvedAt, acknowledgement, severity }: Alert): number =>
    (resolvedAt === null ? 0 : 4) + (acknowledgement === null ? 0 : 2) + (severity === "page" ? 0 : 1);
  return weight(a) - weight(b) || b.affected.length - a.affected.length || a.openedAt - b.openedAt;
}

function entryOf(
  alert: Alert,
  receipts: readonly AlertReceipt[],
  settings: AlertSettings,
  now: number,
): Omit<AlertEntry, "responsible"> {
  const { acknowledgement, healthySince, notifiedAt, resolvedAt, step } = alert;
  const gone = resolvedAt === null ? healthySince : null;
  const held = isHeldBack(alert, settings.quietHours, now) ? "quietHours" : "openAfter";
  const isThere = resolvedAt === null && gone === null;
  const next = acknowledgement === null && isThere ? escalationStep(settings, step) : null;
  return {
    ...{ alert: alert.id, rule: alert.rule, severity: alert.severity, what: headline(alert), action: alert.action },
    ...{ cause: alert.cause, code: alert.code, certificates: alert.members.map(({ certificate }) => certificate) },
    ...{ firstBadAt: iso(alert.firstBadAt), openedAt: iso(alert.openedAt), notifiedAt: iso(notifiedAt) },
    resolvedAt: iso(resolvedAt),
    gone: gone === null ? null : { since: iso(gone), overAt: iso(gone + settings.resolveAfterMs) },
    waits: notifiedAt === null && isThere ? held : null,
    ...{ changed: alert.changed, expiresAt: iso(soonestExpiry(alert)), thresholds: alert.level },
    acknowledged: acknowledgement && { ...acknowledgement, at: iso(acknowledgement.at) },
    step,
    next:
      next === null || notifiedAt === null || !isFrom(alert.severity, next.from)
        ? null
        : { at: iso(notifiedAt + next.afterMs), channels: next.channels },
    receipts: receipts.map(({ channel, at, outcome, error }) => ({ channel, at: iso(at), outcome, error })),
  };
}

async function channelsOf({ store, channels }: AlertsSource): Promise<AlertChannel[]> {
  const cursors = new Map((await store.cursors.list()).map((cursor) => [cursor.channel, cursor]));
  const { selfTests } = await store.alerts.state();
  const sent = new Map<string, number>();
  for (const { channel, at, outcome } of await store.alerts.receipts({ limit: RECEIPTS_MAX }))
    if (outcome === "sent") sent.set(channel, at);
  return [...channels.keys()].map((channel) => {
    const cursor = cursors.get(channel);
    const test = selfTests[channel];
    return {
      channel,
      failures: cursor?.failures ?? 0,
      error: cursor?.lastErrorMessage ?? null,
      nextAttemptAt: iso(cursor?.nextAttemptAt ?? null),
      lastSentAt: iso(sent.get(channel) ?? null),
      selfTestAt: iso(test?.at ?? null),
      selfTestError: test?.error ?? null,
    };
  });
}

export async function alertRulesReport({ store }: Pick<AlertsSource, "store">): Promise<AlertRulesReport> {
  const last = await store.alerts.lastRaised();
  const open = Map.groupBy(await store.alerts.open(), ({ rule }) => rule);
  return {
    version: 1,
    rules: ALERT_RULES.map((rule) => ({
      rule,
      ...ALERT_RULE_TEXTS[rule],
      lastFiredAt: iso(last.get(rule) ?? null),
      open: open.get(rule)?.length ?? 0,
    })),
  };
}
