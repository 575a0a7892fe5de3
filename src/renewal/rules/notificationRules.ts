import { ERRORS, isErrorCode } from "../../domain/errorTable.ts";
import type { EventDetail, EventType, HistoryEvent } from "../../domain/event.ts";
import { type Notification, SEVERITIES, type Severity } from "../../domain/notification.ts";
import type { Responsibility } from "../../domain/responsibility.ts";
import { formatInstant } from "../../domain/time.ts";
import { factsOf } from "./alerts/messages.ts";
import { partName } from "./plannerParts.ts";

interface RuleResult {
  readonly severity: Severity;
  readonly message: string;
}
type Rule = (text: (name: string) => string, event: HistoryEvent) => RuleResult | null;

/** After somebody changed or put back the history. */
export const HISTORY_ACTION =
  "See `renewd audit verify` and find out who can write to the database; then `renewd audit accept` goes on from there.";

/**
 * What an event says to people, and how urgently. What certificates' records show is judged by `alerts/faults.ts`; all
 * other events are in the history only.
 */
const RULES: Partial<Readonly<Record<EventType, Rule>>> = {
  "renewal.succeeded": (text) => ({
    severity: "info",
    message: `renewed: generation ${text("generation")} is proved live`,
  }),
  "issue.fallback": (text) => ({
    severity: "warning",
    message: `turned from issuer ${text("from")} to ${text("to")}: ${text("why")}`,
  }),
  "account.replaced": (text, { detail }) => ({
    severity: "page",
    message:
      `the CA of issuer ${text("issuer")} no longer accepts account ${text("from")} (${text("why")}); ` +
      `the new account is ${text("to")}${recordsToChange(detail)}`,
  }),
  "version.revoked": (text) => ({
    severity: "warning",
    message: `generation ${text("generation")} was revoked (serial ${text("serial")})`,
  }),
  "certificate.overtaken": (text) => ({
    severity: "warning",
    message:
      `${text("endpoint")} serves a newer certificate of the same CA than the database knows ` +
      `(serial ${text("serial")}): was an older database put back? A new one is issued`,
  }),
  "certificate.instantCorrected": (text) => ({
    severity: "warning",
    message: `was put off longer than renewd ever does (${text("fields")}), perhaps by another writer of the database`,
  }),
  "target.drifted": (text, { target }) => ({
    severity: "warning",
    message: `target ${target} ${text("problem")}: it is deployed again`,
  }),
  "renewalInfo.ignored": (text, { detail }) =>
    detail.distrusted === true ? { severity: "page", message: text("message") } : null,
  "renewalInfo.suggested": (text, { detail }) =>
    detail.moved === true
      ? { severity: "warning", message: `the CA moved its renewal window${optional(text("explanationUrl"), ", see ")}` }
      : null,
  "clock.skewed": (text) => ({ severity: "page", message: `planning and issuing have stopped: ${text("message")}` }),
  "clock.dissent": (text, { detail }) => ({
    severity: detail.stopsIssuing === true ? "page" : "warning",
    message: text("message"),
  }),
  "discovery.found": (text, { detail }) => ({
    severity: "warning",
    message: foundText(text, detail),
  }),
  "process.fault": (text) => ({
    severity: "warning",
    message: `internal fault in ${text("role")}, which was started again: ${text("error")}`,
  }),
  "planner.partFailed": (text) => ({
    severity: "page",
    message: `${partName(text("part"))} failed: ${text("message")}`,
  }),
  "store.rolledBack": (text) => ({
    severity: "page",
    message: `the history was put back or deleted behind renewd's back: event ${text("number")} is gone`,
  }),
  "history.pruneStopped": (text) => ({
    severity: "page",
    message: `no event is removed any more: event ${text("number")} is not as renewd wrote it`,
  }),
  "history.accepted": (text) => ({
    severity: "info",
    message: `changes of the database were accepted: ${text("reason")}`,
  }),
  "store.restored": () => ({ severity: "info", message: "the database was restored from a backup" }),
};

/** News: messages of their own, because nothing is wrong. Everything else is grouped by cause (`alerts/judge.ts`). */
const NEWS: readonly EventType[] = ["renewal.succeeded", "store.restored", "history.accepted"];

export const ALERT_EVENTS = [
  "alert.opened",
  "alert.raised",
  "alert.escalated",
  "alert.acknowledged",
  "alert.resolved",
  "alert.digest",
] as const satisfies readonly EventType[];

/** The kinds of events that are messages to people. */
export const NOTIFIED_EVENTS: readonly EventType[] = [...ALERT_EVENTS, ...NEWS, "report.due"];

export interface Described extends RuleResult {
  readonly action: string | null;
}

/** null: nothing that people are notified of. Pure. */
export function describeEvent(event: HistoryEvent): Described | null {
  const { type, detail } = event;
  const text = (name: string): string =>
    detail[name] === undefined || detail[name] === null ? "" : String(detail[name]);
  const result = RULES[type]?.(text, event) ?? null;
  if (result === null) return null;
  return { ...result, action: typeof detail.action === "string" ? detail.action : actionOf(event) };
}

/** The message that an event is; null: it is none. `responsibility`: of the certificate, or of the target. Pure. */
export function notificationOf(event: HistoryEvent, responsibility: Responsibility | null = null): Notification | null {
  if (event.type.startsWith("alert.")) return alertNotification(event, responsibility);
  if (event.type === "report.due") return reportNotification(event);
  const described = NEWS.includes(event.type) ? describeEvent(event) : null;
  if (described === null) return null;
  const { at, type, certificate, renewalId, target } = event;
  return {
    ...{ id: idOf(event), at, event: type, certificate, renewalId, target },
    ...{ severity: described.severity, action: described.action },
    message: `${certificate ?? "renewd"}: ${described.message}`,
    // As messages of older releases named it: an alert that one of those opened ends now.
    alert: certificate === null ? `renewd/${type}` : `certificate/${certificate}`,
    resolves: type === "renewal.succeeded",
    responsibility,
  };
}

/** With its instant: a database that was put back gives the same number to another event. */
function idOf({ seq, at }: Pick<HistoryEvent, "seq" | "at">): string {
  return `${seq}-${at}`;
}

function alertNotification(event: HistoryEvent, responsibility: Responsibility | null): Notification | null {
  const { at, type, certificate, renewalId, target, detail } = event;
  const { alert, message, action, channels, acknowledgements } = detail;
  const known = severityOf(detail.severity);
  const severityBefore = severityOf(detail.severityBefore);
  if (known === undefined || typeof message !== "string" || !Array.isArray(channels)) return null;
  const isOver = type === "alert.resolved" || detail.over === true;
  const canAcknowledge = !isOver && type !== "alert.acknowledged" && typeof alert === "string";
  return {
    ...{ id: idOf(event), at, event: type, certificate, renewalId, target, severity: known, message },
    action: typeof action === "string" ? action : null,
    alert: typeof alert === "string" ? `alert/${alert}` : "digest",
    resolves: isOver,
    responsibility,
    channels,
    ...(severityBefore !== undefined && { severityBefore }),
    more: factsOf(detail),
    ...(canAcknowledge && { acknowledge: { alert, acknowledgements: Number(acknowledgements ?? 0) } }),
  };
}

function severityOf(value: EventDetail[string] | undefined): Severity | undefined {
  return SEVERITIES.find((each) => each === value);
}

function reportNotification(event: HistoryEvent): Notification | null {
  const { at, type, detail } = event;
  const { until, channels } = detail;
  if (typeof until !== "number" || !Array.isArray(channels)) return null;
  return {
    ...{ id: idOf(event), at, event: type, certificate: null, renewalId: null, target: null, severity: "info" },
    ...{ message: "renewd: the weekly report", action: null, alert: "report", resolves: true, responsibility: null },
    ...{ channels, reportUntil: until },
  };
}

function actionOf({ type, detail: { code } }: HistoryEvent): string | null {
  if (type === "account.replaced")
    return (
      "Find out who ended the old account. Change the DNS records that name it, CAA records with `accounturi` and those " +
      "of dns-persist-01, to the new one: until then the CA issues nothing for these names."
    );
  if (type === "history.pruneStopped" || type === "store.rolledBack") return HISTORY_ACTION;
  if (type === "discovery.found")
    return "See `renewd inventory list --unmanaged`, then adopt each (`renewd inventory adopt FINGERPRINT`) or ignore it.";
  if (type === "process.fault") return "Report this as a bug with the log of that process.";
  if (type === "clock.dissent") return ERRORS["acme.clock"].action;
  if (type === "clock.skewed") return ERRORS["clock.skewed"].action;
  return typeof code === "string" && isErrorCode(code) ? ERRORS[code].action : null;
}

function foundText(text: (name: string) => string, { count, kind, names, soonest }: EventDetail): string {
  const shown = Array.isArray(names) ? names.join(", ") : "";
  const more = typeof count === "number" && Array.isArray(names) && count > names.length ? " and others" : "";
  const what = count === 1 ? "one certificate" : `${text("count")} certificates`;
  const ends = typeof soonest === "number" ? formatInstant(soonest) : "at a time that was not recorded";
  const when = count === 1 ? `it ends ${ends}` : `the first ends ${ends}`;
  const why = kind === "expiring" ? "nobody manages and that end soon" : "nobody manages";
  return `discovery (${text("source")}) found ${what} that ${why}: ${shown}${more}; ${when}`;
}

const RECORDS_SHOWN_MAX = 10;

/** What DNS has to say from now on, as far as it was found out. */
function recordsToChange({ records, unchecked }: HistoryEvent["detail"]): string {
  const lines = Array.isArray(records) ? records : [];
  const more = lines.length > RECORDS_SHOWN_MAX ? `, and ${lines.length - RECORDS_SHOWN_MAX} more in the history` : "";
  const list = lines.slice(0, RECORDS_SHOWN_MAX).map((line, i) => `(${i + 1}) ${line}`);
  const found = lines.length === 0 ? "" : `; records that have to name it: ${list.join(" ")}${more}`;
  return unchecked === undefined ? found : `${found}; the CAA records of ${unchecked} names were not looked at`;
}

function optional(text: string, before: string): string {
  return text === "" ? "" : `${before}${text}`;
}
