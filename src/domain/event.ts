export const EVENT_TYPES = [
  "renewal.planned",
  "renewal.succeeded",
  "renewal.failed",
  "renewal.cancelled",
  "renewal.held",
  "renewal.resumed",
  "renewal.hurried",
  "renewal.rolledBack",
  "issue.started",
  "issue.failed",
  "issue.namesDropped",
  "issue.preflight",
  "issue.fallback",
  "issue.fallbackRefused",
  "account.replaced",
  "order.created",
  "order.replacesRefused",
  "order.chainUnavailable",
  "order.resumed",
  "order.abandoned",
  "challenge.presented",
  "challenge.waiting",
  "challenge.unconfirmed",
  "challenge.failed",
  "challenge.cleanUpFailed",
  "order.csrDiscarded",
  "order.finalized",
  "version.issued",
  "version.imported",
  "version.renamed",
  "version.reinstated",
  "version.revoked",
  "certificate.replacing",
  "replacement.cancelled",
  "drill.started",
  "drill.finished",
  "certificate.rehearsalRequested",
  "certificate.rehearsed",
  "certificate.checked",
  "certificate.expiring",
  "deploy.started",
  "deploy.succeeded",
  "deploy.failed",
  "verify.started",
  "verify.addressServed",
  "verify.converged",
  "verify.stale",
  "verify.skipped",
  "verify.vantagesDiffer",
  "target.checked",
  "target.drifted",
  "target.left",
  "target.cleaned",
  "target.returned",
  "renewalInfo.suggested",
  "renewalInfo.ignored",
  "account.created",
  "account.renamed",
  "account.removed",
  "certificate.configured",
  "certificate.defined",
  "certificate.removed",
  "certificate.renamed",
  "certificate.noIssuer",
  "certificate.paused",
  "certificate.resumed",
  "certificate.retried",
  "certificate.restoreConfirmed",
  "certificate.overtaken",
  "certificate.unplannable",
  "certificate.plannable",
  "certificate.instantCorrected",
  "store.restored",
  "store.rolledBack",
  "history.pruned",
  "history.pruneStopped",
  "history.accepted",
  "history.audited",
  "channel.tested",
  "access.granted",
  "access.ended",
  "access.refused",
  "client.published",
  "client.removed",
  "clock.skewed",
  "clock.recovered",
  "clock.dissent",
  "clock.dissentOver",
  "clock.repeated",
  "process.fault",
  "config.reloaded",
  "config.refused",
  "problem.acknowledged",
  "problem.unacknowledged",
  "request.refused",
  "worker.concurrency",
  "planner.partFailed",
  "planner.partRecovered",
  "alert.opened",
  "alert.raised",
  "alert.escalated",
  "alert.acknowledged",
  "alert.resolved",
  "alert.digest",
  "definition.changed",
  "discovery.found",
  "inventory.ignored",
  "inventory.unignored",
  "watch.changed",
  "report.due",
  "peer.changed",
  "exercise.started",
  "exercise.broken",
  "exercise.failed",
  "exercise.ended",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const CLOCK_EVENTS: readonly EventType[] = [
  "clock.skewed",
  "clock.recovered",
  "clock.dissent",
  "clock.dissentOver",
  "clock.repeated",
];

export type EventDetail = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** One line of append-only history, written in the transaction that makes the change it describes. */
export interface HistoryEvent {
  /** Assigned by the store, ascending. */
  readonly seq: number;
  /** ms since epoch. */
  readonly at: number;
  readonly type: EventType;
  readonly certificate: string | null;
  readonly renewalId: string | null;
  readonly target: string | null;
  /** Host and process that wrote it, such as `web-1/4242`. */
  readonly worker: string;
  readonly detail: EventDetail;
}

/** What is noted of an event outside the database, to find a history that was put back to an earlier state. */
export interface HistoryMark {
  readonly seq: number;
  /** ms since epoch. */
  readonly at: number;
  readonly seal: string;
}

export type NewEvent = Omit<HistoryEvent, "seq" | "worker">;
