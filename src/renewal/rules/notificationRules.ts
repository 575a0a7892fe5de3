import { ERRORS, isErrorCode } from "../../domain/errorTable.ts";
import type { EventType, HistoryEvent } from "../../domain/event.ts";
import type { Notification, Severity } from "../../domain/notification.ts";
import type { Responsibility } from "../../domain/responsibility.ts";
import { DAY_MS, formatDuration, formatInstant } from "../../domain/time.ts";
import { partName } from "./plannerParts.ts";

/** A renewal that has failed this often in a row does not heal by itself. */
const FAILURES_PAGE = 3;
/** Any failure of a certificate this close to its end is a page. */
const RUNWAY_PAGE_MS = 3 * DAY_MS;

export interface NotificationFacts {
  /** When the latest version expires, ms since epoch; null: there is none. */
  readonly expiresAt: number | null;
  /** Of the certificate, or of the target. Default: nobody's. */
  readonly responsibility?: Responsibility | null;
}

interface RuleResult {
  readonly severity: Severity;
  readonly message: string;
}
type Rule = (text: (name: string) => string, event: HistoryEvent, facts: NotificationFacts) => RuleResult | null;

/** After somebody changed or put back the history. */
export const HISTORY_ACTION =
  "See `renewd audit verify` and find out who can write to the database; then `renewd audit accept` goes on from there.";

/** Which events notify people, and how urgently. All others are in the history only. */
const RULES: Partial<Readonly<Record<EventType, Rule>>> = {
  "renewal.failed": (text, event, facts) => ({
    severity: needsPerson(event, facts) ? "page" : "warning",
    message: `renewal failed: ${text("message")}`,
  }),
  "renewal.held": (text) => ({ severity: "page", message: `renewal held: ${text("message")}` }),
  "renewal.rolledBack": (text) => ({
    severity: "page",
    message: `rolled back from generation ${text("generation")} to the pair of generation ${text("to")}`,
  }),
  "renewal.succeeded": (text) => ({
    severity: "info",
    message: `renewed: generation ${text("generation")} is proved live`,
  }),
  "issue.fallback": (text) => ({
    severity: "warning",
    message: `turned from issuer ${text("from")} to ${text("to")}: ${text("why")}`,
  }),
  "account.replaced": (text) => ({
    severity: "page",
    message:
      `the CA of issuer ${text("issuer")} no longer accepts account ${text("from")} (${text("why")}); ` +
      `the new account is ${text("to")}`,
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
  "certificate.noIssuer": (text) => ({
    severity: "page",
    message: `nothing can renew it: every issuer it names is distrusted (${text("issuers")})`,
  }),
  "certificate.unplannable": (text) => ({
    severity: "page",
    message: `cannot be planned, so nothing renews it: ${text("message")}`,
  }),
  "certificate.plannable": () => ({ severity: "info", message: "is planned again" }),
  "certificate.instantCorrected": (text) => ({
    severity: "warning",
    message: `was put off longer than renewd ever does (${text("fields")}), perhaps by another writer of the database`,
  }),
  "certificate.expiring": (text, { at, detail }) => ({
    severity: "page",
    message: `${expiry(at, detail)} and nothing newer is proved live: ${text("why")}`,
  }),
  "certificate.rehearsed": (text, { detail }) =>
    detail.passed === false ? { severity: "warning", message: `rehearsal failed: ${text("failed")}` } : null,
  // Inside a renewal, the renewal's own end notifies.
  "verify.stale": (text, { renewalId }) =>
    renewalId === null
      ? { severity: "warning", message: `${text("endpoint")} does not serve it: ${text("message")}` }
      : null,
  // Inside a renewal, the renewal's own end notifies.
  "verify.converged": (text, { renewalId }) =>
    renewalId === null ? { severity: "info", message: `${text("endpoint")} serves it again` } : null,
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
  "clock.recovered": () => ({ severity: "info", message: "the clock is right again: work goes on" }),
  "clock.dissent": (text, { detail }) => ({
    severity: detail.stopsIssuing === true ? "page" : "warning",
    message: text("message"),
  }),
  "process.fault": (text) => ({
    severity: "warning",
    message: `internal fault in ${text("role")}, which was started again: ${text("error")}`,
  }),
  "planner.partFailed": (text) => ({
    severity: "page",
    message: `${partName(text("part"))} failed: ${text("message")}`,
  }),
  "planner.partRecovered": (text) => ({ severity: "info", message: `${partName(text("part"))} works again` }),
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

/** The kinds of events that can notify anybody. */
export const NOTIFIED_EVENTS = Object.keys(RULES) as EventType[]; // Object.keys forgets the type of keys.

/** The notification for an event; null: none. Pure. */
export function notificationOf(event: HistoryEvent, facts: NotificationFacts): Notification | null {
  const { seq, at, type, certificate, renewalId, target, detail } = event;
  const text = (name: string): string =>
    detail[name] === undefined || detail[name] === null ? "" : String(detail[name]);
  const result = RULES[type]?.(text, event, facts) ?? null;
  if (result === null) return null;
  const { severity, message } = result;
  const action = typeof detail.action === "string" ? detail.action : actionOf(event);
  return {
    id: String(seq),
    at,
    severity,
    event: type,
    certificate,
    renewalId,
    target,
    message: `${certificate ?? "renewd"}: ${message}`,
    action,
    alert: alertOf(event),
    resolves: RESOLVING.includes(type),
    responsibility: facts.responsibility ?? null,
  };
}

/** They end what earlier messages about the same have reported. */
const RESOLVING: readonly EventType[] = [
  "renewal.succeeded",
  "verify.converged",
  "certificate.plannable",
  "clock.recovered",
  "planner.partRecovered",
];

/** Messages about one cause have the same; what resolves one must not resolve another. */
function alertOf({ type, certificate, detail: { part, endpoint, issuer } }: HistoryEvent): string {
  switch (type) {
    case "certificate.plannable":
    case "certificate.unplannable":
      return `planning/${certificate}`;
    case "verify.stale":
    case "verify.converged":
      return `endpoint/${certificate}/${endpoint}`;
    case "clock.skewed":
    case "clock.recovered":
      return "clock";
    case "planner.partFailed":
    case "planner.partRecovered":
      return `planner/${part}`;
    case "account.replaced":
    case "clock.dissent":
      return `issuer/${issuer}`;
    default:
      return certificate === null ? `renewd/${type}` : `certificate/${certificate}`;
  }
}

function actionOf({ type, certificate, detail: { code } }: HistoryEvent): string | null {
  if (type === "renewal.rolledBack")
    return `See \`renewd history ${certificate}\`; while a new pair is due, it is tried again after a day.`;
  if (type === "certificate.expiring")
    return `Fix what \`renewd status\` says, or renew at once: \`renewd renew ${certificate} --force --wait\`.`;
  if (type === "account.replaced")
    return "Find out who ended the old account. If CAA records name it in `accounturi`, change them to the new one.";
  if (type === "certificate.noIssuer") return "Name another issuer for it in the configuration, then reload.";
  if (type === "history.pruneStopped" || type === "store.rolledBack") return HISTORY_ACTION;
  if (type === "process.fault") return "Report this as a bug with the log of that process.";
  if (type === "clock.dissent") return ERRORS["acme.clock"].action;
  if (type === "clock.skewed") return ERRORS["clock.skewed"].action;
  return typeof code === "string" && isErrorCode(code) ? ERRORS[code].action : null;
}

/** Quarantine, errors that only a person can fix, repeated failures, and certificates that expire soon. */
function needsPerson({ at, detail: { code, failures } }: HistoryEvent, { expiresAt }: NotificationFacts): boolean {
  const errorClass = typeof code === "string" && isErrorCode(code) ? ERRORS[code].class : "internal";
  if (errorClass === "internal" || errorClass === "configuration" || errorClass === "caa") return true;
  if (typeof failures === "number" && failures >= FAILURES_PAGE) return true;
  return expiresAt !== null && expiresAt - at < RUNWAY_PAGE_MS;
}

function expiry(at: number, { expiresAt }: HistoryEvent["detail"]): string {
  if (typeof expiresAt !== "number") return "nears its end";
  const expires = expiresAt <= at ? "has expired" : `expires in ${formatDuration(expiresAt - at)}`;
  return `${expires} (${formatInstant(expiresAt)})`;
}

function optional(text: string, before: string): string {
  return text === "" ? "" : `${before}${text}`;
}
