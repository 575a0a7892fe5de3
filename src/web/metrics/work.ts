import type { Alert } from "../../domain/alert.ts";
import { type Bucket, type CaBudget, LIMIT_KINDS } from "../../domain/budget.ts";
import type { NameServerTotal } from "../../domain/nameServerTotals.ts";
import type { ChannelCursor } from "../../domain/notification.ts";
import type { QueueDepth } from "../../domain/queue.ts";
import { ACTIVE_STATES } from "../../domain/renewal.ts";
import { ROLES } from "../../domain/role.ts";
import { DURATION_BOUNDS_MS, type Totals } from "../../domain/totals.ts";
import { left } from "../../renewal/rules/budget.ts";
import type { Snapshot } from "../../reports/snapshot.ts";
import { waitingOf } from "../../reports/waiting.ts";
import { seconds } from "./certificates.ts";
import { labels, type Sample, type Scrape } from "./registry.ts";

const PROCESSES_MAX = 200;
const CHANNELS_MAX = 100;
const REPLACEMENTS_MAX = 20;

/** How a renewal ended, by its event. */
const RESULTS = {
  succeeded: "renewal.succeeded",
  failed: "renewal.failed",
  cancelled: "renewal.cancelled",
  rolledBack: "renewal.rolledBack",
} as const;
const ATTEMPTS = {
  renewd_issue_attempts_total: { succeeded: "version.issued", failed: "issue.failed" },
  renewd_deploy_attempts_total: { succeeded: "deploy.succeeded", failed: "deploy.failed" },
  renewd_verifications_total: { succeeded: "verify.converged", failed: "verify.stale" },
} as const;

/** Renewals in flight, what waits for which role, and what status finds wrong. */
export function workMetrics({ gauge }: Scrape, { examined, status, replacements }: Snapshot): void {
  const stages = Map.groupBy(status.inFlight, ({ stage }) => stage);
  gauge(
    "renewd_renewals_in_flight",
    "Renewals that have not ended, by state.",
    ACTIVE_STATES.map((stage) => ({ labels: labels({ stage }), value: stages.get(stage)?.length ?? 0 })),
  );
  const waiting = Map.groupBy(
    examined.flatMap((each) => waitingOf(each) ?? []),
    ({ role }) => role,
  );
  gauge(
    "renewd_work_waiting",
    "Renewals that wait for a role to take them, as the database says.",
    ROLES.map((role) => ({ labels: labels({ role }), value: waiting.get(role)?.length ?? 0 })),
  );
  gauge(
    "renewd_work_waiting_since_timestamp_seconds",
    "Since when the oldest of them waits.",
    [...waiting].map(([role, all]) => ({
      labels: labels({ role }),
      value: seconds(Math.min(...all.map(({ since }) => since))),
    })),
  );
  const findings = Map.groupBy(status.notices, ({ kind, needsPerson }) => `${kind} ${needsPerson}`);
  gauge(
    "renewd_findings",
    "What `renewd status` says about renewd itself.",
    [...findings].map(([key, all]) => {
      const [kind = "", person = ""] = key.split(" ");
      return { labels: labels({ kind, needs_person: person }), value: all.length };
    }),
  );
  gauge("renewd_needs_person", "1 if `renewd status` says that anything needs a person.", [
    { labels: "", value: status.needsPerson ? 1 : 0 },
  ]);
  gauge("renewd_planner_saw_certificates", "Certificates whose next check by the planner is not overdue.", [
    { labels: "", value: status.summary.plannerSaw },
  ]);
  const open = replacements.filter(({ cancelled }) => !cancelled).slice(0, REPLACEMENTS_MAX);
  gauge(
    "renewd_replacement_certificates",
    "Certificates of a replacement, by progress.",
    open.flatMap(({ id, certificates, done, inFlight }) => [
      { labels: labels({ replacement: id, progress: "done" }), value: done },
      { labels: labels({ replacement: id, progress: "inFlight" }), value: inFlight },
      { labels: labels({ replacement: id, progress: "waiting" }), value: certificates - done - inFlight },
    ]),
  );
  gauge(
    "renewd_replacement_deadline_timestamp_seconds",
    "When a replacement must be done.",
    open.map(({ id, deadline }) => ({ labels: labels({ replacement: id }), value: seconds(Date.parse(deadline)) })),
  );
}

/** Counted in the database: they survive restarts and retention, and are the same from every web process. */
export function totalMetrics(
  { counter, gauge, histogram }: Scrape,
  { events, stages, lastSeq, countedSeq }: Totals,
): void {
  const counts = new Map(events.map(({ type, count }) => [type, count]));
  const byResult = (types: Readonly<Record<string, string>>): Sample[] =>
    Object.entries(types).map(([result, type]) => ({ labels: labels({ result }), value: counts.get(type) ?? 0 }));
  counter("renewd_renewals_total", "Renewals that ended, by result.", byResult(RESULTS));
  counter(
    "renewd_issue_attempts_total",
    "Attempts to have a certificate issued, by result.",
    byResult(ATTEMPTS.renewd_issue_attempts_total),
  );
  counter(
    "renewd_deploy_attempts_total",
    "Attempts to deploy to a target, by result.",
    byResult(ATTEMPTS.renewd_deploy_attempts_total),
  );
  counter(
    "renewd_verifications_total",
    "Endpoints that were proved live, or were not in time.",
    byResult(ATTEMPTS.renewd_verifications_total),
  );
  counter(
    "renewd_events_total",
    "Lines of the history, by type.",
    events.map(({ type, count }) => ({ labels: labels({ type }), value: count })),
  );
  gauge(
    "renewd_metrics_events_pending",
    "Events that these counters do not hold yet; they follow with the next scrapes.",
    [{ labels: "", value: Math.max(0, lastSeq - countedSeq) }],
  );
  histogram(
    "renewd_renewal_stage_duration_seconds",
    "How long the stages of succeeded renewals took.",
    stages.map(({ stage, within, count, sumMs }) => ({
      stage,
      bounds: DURATION_BOUNDS_MS.map((bound) => bound / 1_000),
      within,
      count,
      sum: sumMs / 1_000,
    })),
  );
}

/** Of all processes that serve a zone, as the database says. */
export function nameServerMetrics({ counter }: Scrape, totals: readonly NameServerTotal[]): void {
  const [closed, queries] = [
    totals.filter(({ answer }) => answer === "connection"),
    totals.filter(({ answer }) => answer !== "connection"),
  ];
  counter(
    "renewd_name_server_queries_total",
    "Queries to renewd's own name server, by transport and answer.",
    queries.map(({ transport, answer, count }) => ({ labels: labels({ transport, answer }), value: count })),
  );
  counter("renewd_name_server_connections_closed_total", "TCP connections that it closed to make room for others.", [
    { labels: "", value: closed.reduce((sum, { count }) => sum + count, 0) },
  ]);
}

/** Causes, not certificates: what people were notified of and that still lasts. */
export function alertMetrics({ gauge }: Scrape, open: readonly Alert[]): void {
  const groups = Map.groupBy(open, ({ severity, acknowledgement }) => `${severity} ${acknowledgement !== null}`);
  gauge(
    "renewd_alerts",
    "Open alerts, by severity and whether somebody has taken them on.",
    [...groups].map(([key, all]) => {
      const [severity = "", acknowledged = ""] = key.split(" ");
      return { labels: labels({ severity, acknowledged }), value: all.length };
    }),
  );
}

/** Jobs are hints: what waits in truth is `renewd_work_waiting`. */
export function queueMetrics({ gauge }: Scrape, queues: readonly QueueDepth[] | null): void {
  gauge("renewd_redis_up", "1 if Redis answers this process.", [{ labels: "", value: queues === null ? 0 : 1 }]);
  const all = queues ?? [];
  gauge(
    "renewd_queue_jobs",
    "Jobs in Redis.",
    all.flatMap(({ queue, waiting, active, delayed }) =>
      Object.entries({ waiting, active, delayed }).map(([state, value]) => ({
        labels: labels({ queue, state }),
        value,
      })),
    ),
  );
  gauge(
    "renewd_queue_oldest_job_timestamp_seconds",
    "When the oldest job that waits was added.",
    all.map(({ queue, oldestAt }) => ({ labels: labels({ queue }), value: seconds(oldestAt) })),
  );
}

/** Limits that are counted per domain or name have one series: the lowest of all that were used. */
export function budgetMetrics(
  { gauge }: Scrape,
  budgets: readonly CaBudget[],
  buckets: readonly Bucket[],
  now: number,
): void {
  const rows = budgets.flatMap(({ issuer, directory, limits }) =>
    LIMIT_KINDS.flatMap((kind) => {
      const limit = limits[kind];
      if (limit === undefined) return [];
      const scopes = [directory, `${issuer} ${directory}`];
      const used = buckets.filter((bucket) => bucket.kind === kind && scopes.includes(bucket.scope));
      const leftover = used.map((bucket) => left({ ...bucket, limit, spends: true }, bucket, now));
      return [{ labels: labels({ issuer, limit: kind }), max: limit.max, left: Math.min(limit.max, ...leftover) }];
    }),
  );
  gauge(
    "renewd_issuer_budget_left",
    "What a CA's limit still allows now; the lowest of its domains or names.",
    rows.map(({ labels, left: value }) => ({ labels, value })),
  );
  gauge(
    "renewd_issuer_budget_max",
    "What a CA's limit allows at most.",
    rows.map(({ labels, max }) => ({ labels, value: max })),
  );
}

export function channelMetrics({ gauge }: Scrape, cursors: readonly ChannelCursor[], lastSeq: number): void {
  const shown = cursors.slice(0, CHANNELS_MAX);
  const each = (value: (cursor: ChannelCursor) => number | null): Sample[] =>
    shown.map((cursor) => ({ labels: labels({ channel: cursor.channel }), value: value(cursor) }));
  gauge(
    "renewd_channel_failures",
    "Notifications in a row that a channel's receiver did not take.",
    each(({ failures }) => failures),
  );
  gauge(
    "renewd_channel_events_behind",
    "Events that a channel has not handled yet.",
    each(({ seq }) => Math.max(0, lastSeq - seq)),
  );
  gauge(
    "renewd_channel_next_attempt_timestamp_seconds",
    "When a failed notification is sent again.",
    each(({ nextAttemptAt }) => seconds(nextAttemptAt)),
  );
}

export function processMetrics({ gauge }: Scrape, { status }: Snapshot): void {
  const rows = status.processes.toSorted((a, b) => (a.lastReportAt < b.lastReportAt ? 1 : -1)).slice(0, PROCESSES_MAX);
  const each = (value: (row: (typeof rows)[number]) => number | null): Sample[] =>
    rows.map((row) => ({ labels: labels({ process: row.process, role: row.role }), value: value(row) }));
  gauge(
    "renewd_process_up",
    "1 if the role of this process reported lately.",
    each(({ running }) => (running ? 1 : 0)),
  );
  gauge(
    "renewd_process_last_report_timestamp_seconds",
    "When it last reported.",
    each(({ lastReportAt }) => seconds(Date.parse(lastReportAt))),
  );
  gauge(
    "renewd_process_last_work_timestamp_seconds",
    "When it last finished work.",
    each(({ lastWorkAt }) => (lastWorkAt === null ? null : seconds(Date.parse(lastWorkAt)))),
  );
  const sweeps = status.processes.flatMap(({ role, lastWorkAt }) =>
    role === "planner" && lastWorkAt !== null ? Date.parse(lastWorkAt) : [],
  );
  gauge("renewd_sweep_timestamp_seconds", "When a planner last planned or swept.", [
    { labels: "", value: sweeps.length === 0 ? null : seconds(Math.max(...sweeps)) },
  ]);
}
