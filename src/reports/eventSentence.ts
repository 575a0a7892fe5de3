import type { EventDetail, EventType, HistoryEvent } from "../domain/event.ts";
import { formatDuration } from "../domain/time.ts";
import { partName } from "../renewal/rules/plannerParts.ts";
import { iso, spoken } from "./instant.ts";
import { reasonWords } from "./reasonWords.ts";

type Describe = (detail: (name: string) => string, event: HistoryEvent) => string;

/** Of `certificate.defined`. */
const CHANGES: Readonly<Record<string, string>> = {
  added: "added to the database",
  edited: "changed in the database",
  removed: "removed from the database",
};

/** One sentence per kind of event. It may quote a CA, a target or an endpoint: make it inert before you show it. */
const SENTENCES: Readonly<Record<EventType, Describe>> = {
  "renewal.planned": (detail) =>
    `planned (${detail("trigger")}): ${reasonWords(detail("reason"))}, ${detail("detail")}`,
  "renewal.succeeded": (detail, event) => `succeeded: generation ${detail("generation")}${took(event)}`,
  "renewal.failed": (detail) => `failed: ${detail("message")}`,
  "renewal.cancelled": (detail) => `cancelled: ${detail("why")}`,
  "renewal.held": (detail) => `held: ${detail("message")}`,
  "renewal.resumed": (detail) => `goes on: ${detail("why")}`,
  "renewal.rolledBack": (detail) => `rolled back to generation ${detail("to")}`,
  "issue.started": (detail) => `asking issuer ${detail("issuer")} (attempt ${detail("attempt")})`,
  "issue.failed": (detail, event) =>
    `issuing failed (attempt ${detail("attempt")}): ${clause(detail("message"))}${again(event)}`,
  "issue.namesDropped": (detail) => `issuing without ${detail("names")}: their validation kept failing`,
  "issue.preflight": (detail, { detail: { refused } }) =>
    `${refused === true ? "no order was opened" : "found before the order"}: ${detail("concerns")}`,
  "issue.fallback": (detail) =>
    `turns from issuer ${detail("from")} to ${detail("to")}: ${detail("why")}${optional(detail, "notes", "; ")}`,
  "issue.fallbackRefused": (detail) => `issuer ${detail("to")} cannot be turned to: ${detail("why")}`,
  "account.replaced": (detail, { detail: all }) =>
    `the account of issuer ${detail("issuer")} is ${detail("why")} at the CA: ` +
    `${detail("to")} replaces ${detail("from")}` +
    (Array.isArray(all.records) ? `; records to change: ${all.records.join(" ")}` : ""),
  "order.created": () => "order opened",
  "order.replacesRefused": (detail) => `ordered again as a new certificate, not a replacement: ${detail("why")}`,
  "order.chainUnavailable": (detail) =>
    `the CA offers no chain to ${detail("preferred")}, only to ${detail("offered")}: its first is used`,
  "renewal.hurried": (detail) => `makes its next attempt now: ${detail("why")}`,
  "order.resumed": () => "order resumed where it was",
  "order.abandoned": (detail) => `order abandoned: ${detail("why")}`,
  "challenge.presented": (detail) => `challenge presented${optional(detail, "identifier", " for ")}`,
  "challenge.waiting": (detail, event) =>
    `the answer for ${detail("identifier")} is not visible yet (${detail("why")})${again(event)}`,
  "challenge.unconfirmed": (detail) => `${detail("identifier")}: ${detail("note")}`,
  "challenge.failed": (detail) => `validation of ${detail("identifier")} failed: ${detail("message")}`,
  "challenge.cleanUpFailed": (detail) => `challenge not cleaned up: ${detail("message")}`,
  "order.csrDiscarded": (detail) => `the stored certificate request was discarded and created again: ${detail("why")}`,
  "order.finalized": () => "order finalized",
  "version.issued": (detail, { detail: all }) =>
    `issued serial ${detail("serial")} by ${detail("issuedBy")}, expires ${instant(all, "notAfter")}`,
  "version.imported": (detail) => `imported as generation ${detail("generation")}, serial ${detail("serial")}`,
  "version.renamed": (detail) =>
    `takes over generation ${detail("generation")} of ${detail("from")}, which has the same names and left the ` +
    `configuration; serial ${detail("serial")}`,
  "version.reinstated": (detail) =>
    `generation ${detail("of")} (serial ${detail("serial")}) is in use again as generation ${detail("generation")}`,
  "version.revoked": (detail, { detail: { key } }) =>
    `revoked generation ${detail("generation")}, serial ${detail("serial")} (${detail("reason")}, ` +
    `${key === undefined ? `says ${detail("source")}` : `by the ${detail("key")} key`})`,
  "certificate.replacing": (detail) =>
    "to be replaced with others " +
    `(${detail("selection")})${optional(detail, "by", ", by ")}${optional(detail, "why", ": ")}`,
  "replacement.cancelled": (detail) =>
    `replacement ${detail("replacement")} is ` +
    `cancelled${optional(detail, "by", " by ")}${optional(detail, "why", ": ")}`,
  "drill.started": (detail) =>
    `drill ${detail("drill")} replaces certificates as if they had ` +
    `${detail("scenario") === "expired" ? "expired" : "been revoked"}` +
    `${optional(detail, "issuer", ", from issuer ")}: ${detail("certificates")}` +
    `${optional(detail, "by", ", by ")}${optional(detail, "why", ": ")}`,
  "drill.finished": (detail) =>
    `drill ${detail("drill")} ended: ${detail("proved")} of ${detail("certificates")} certificates are proved live`,
  "report.due": (detail, { detail: all }) =>
    `the report of the week until ${instant(all, "until")} goes to ${detail("channels")}`,
  "certificate.rehearsalRequested": (detail) =>
    `to be rehearsed${optional(detail, "by", ", asked for by ")}${optional(detail, "why", ": ")}`,
  "certificate.rehearsed": (detail, { detail: { passed } }) =>
    passed === true ? "rehearsal passed" : `rehearsal failed: ${detail("failed")}`,
  "certificate.checked": (detail, { detail: { passed } }) =>
    passed === true
      ? `checked as a CA would: nothing would stop an order${optional(detail, "concerns", "; ")}`
      : `checked as a CA would: an order would be refused: ${detail("concerns")}`,
  "certificate.overtaken": (detail) =>
    `${detail("endpoint")} at ${detail("address")} serves a newer certificate of the same CA ` +
    `(serial ${detail("serial")}) than the database knows: an older state of it was put back`,
  "certificate.expiring": (detail, { detail: all }) =>
    `${all.expired === true ? "expired" : "nears its end,"} ${instant(all, "expiresAt")}, ` +
    `and nothing newer is proved live: ${detail("why")}`,
  "deploy.started": (detail, { target }) => `deploying to ${target} (attempt ${detail("attempt")})`,
  "deploy.succeeded": (_detail, event) => `deployed to ${event.target}${took(event)}`,
  "deploy.failed": (detail, event) =>
    `deploying to ${event.target} failed (attempt ${detail("attempt")}): ${clause(detail("message"))}${again(event)}`,
  "verify.started": (_detail, { detail: { endpoints } }) =>
    `dialling ${Array.isArray(endpoints) ? endpoints.join(", ") : "endpoints"}`,
  "verify.addressServed": (detail, { detail: { problem } }) =>
    `${detail("endpoint")} at ${detail("address")} served ${detail("serial")}` +
    (problem === null ? "" : `: ${detail("problem")}`),
  "verify.converged": (detail, { detail: { addresses, atOnce } }) =>
    `${detail("endpoint")} proved live on ${detail("addresses")} address${addresses === 1 ? "" : "es"}` +
    optional(detail, "connections", ", connections in a row: ") +
    optional(
      detail,
      "process",
      atOnce === undefined ? ", all with process " : `; ${atOnce} of them with process `,
      ", which alone listens there",
    ) +
    optional(detail, "attested", " and answered each of the last ", " connections to it") +
    optional(detail, "notDialled", "; cannot be dialled from here: "),
  "verify.vantagesDiffer": (detail) => `at ${detail("endpoint")} ${detail("difference")}`,
  "verify.stale": (detail) => `${detail("endpoint")} not proved: ${detail("message")}`,
  "target.checked": (detail, { target, detail: { passed } }) =>
    `target ${target} ${passed === true ? "is ready to be deployed to" : "is not ready"}: ${detail("message")}`,
  "target.left": (detail, { target }) =>
    `target ${target} left the configuration or writes elsewhere now; a pair is still at ${detail("places")}`,
  "target.returned": (detail, { target }) => `what target ${target} holds is in use again: ${detail("why")}`,
  "target.cleaned": (detail, { target }) => `target ${target} holds the pair no longer: ${detail("why")}`,
  "target.drifted": (detail, { target }) =>
    `target ${target} ${detail("problem")}: generation ${detail("generation")} is deployed again`,
  "verify.skipped": (detail) => `${detail("endpoint")} is not dialled: ${detail("why")}`,
  "renewalInfo.suggested": (detail, { detail: all }) =>
    `the CA ${all.moved === true ? "moved" : "suggests"} the renewal window: ${instant(all, "windowStart")} to ` +
    `${instant(all, "windowEnd")}, chosen ${instant(all, "renewAt")}${optional(detail, "explanationUrl", ", see ")}`,
  "renewalInfo.ignored": (detail) => `the CA's renewal window was ignored: ${detail("message")}`,
  "account.created": (detail) => `issuer ${detail("issuer")} has a new account key for ${detail("directory")}`,
  "account.renamed": (detail) => `issuer ${detail("before")} is called ${detail("issuer")} now and keeps its account`,
  "account.removed": (detail) => `the account of issuer ${detail("issuer")} was removed`,
  "certificate.configured": (detail) => `configuration ${detail("change")}`,
  "certificate.defined": (detail, { certificate, detail: { change, names } }) =>
    (change === "imported"
      ? `definitions imported into the database from ${detail("from")}: ${detail("added")} new, ` +
        `${detail("changed")} changed`
      : `definition ${CHANGES[String(change)] ?? "changed"}`) +
    optional(detail, "by", ", by ") +
    (certificate === null && Array.isArray(names) ? `: ${names.join(", ")}` : ""),
  "certificate.renamed": (detail) =>
    `was renamed to ${detail("to")}, which keeps its pair of generation ${detail("generation")}`,
  "certificate.removed": (detail) => `left the configuration${optional(detail, "why", ": ")}`,
  "certificate.noIssuer": (detail) =>
    `nothing can renew it: every issuer it names is distrusted (${detail("issuers")})`,
  "certificate.paused": (detail, { detail: all }) =>
    `paused${all.until === null ? "" : ` until ${instant(all, "until")}`}: ` +
    `${detail("reason")}${optional(detail, "by", ", by ")}`,
  "certificate.resumed": (detail) => `resumed${optional(detail, "by", " by ")}${optional(detail, "why", ": ")}`,
  "certificate.retried": (detail) => `its back-off ends now: ${detail("why")}`,
  "certificate.restoreConfirmed": (detail) => `carries on after the restore: ${detail("why")}`,
  "certificate.unplannable": (detail) => `cannot be planned: ${detail("message")}`,
  "certificate.plannable": () => "is planned again",
  "certificate.instantCorrected": (detail) =>
    `was put off longer than renewd ever does, so it is checked now: ${detail("fields")}`,
  "peer.changed": (detail, { detail: all }) =>
    all.problem === null ? `peer ${detail("peer")} is well again` : `peer ${detail("peer")}: ${detail("problem")}`,
  "exercise.started": (detail, { target }) =>
    `is broken on purpose at target ${target}, to see who acknowledges${optional(detail, "by", ", asked for by ")}`,
  "exercise.broken": (_, { target }) => `exercise: target ${target} holds an expired pair now`,
  "exercise.failed": (detail) => `exercise: it could not be broken: ${detail("message")}`,
  "exercise.ended": (detail, { detail: { tookMs } }) =>
    `exercise ended: ${detail("outcome")}${optional(detail, "by", " by ")}` +
    (typeof tookMs === "number" ? ` after ${formatDuration(tookMs)}` : ""),
  "planner.partFailed": (detail) => `${partName(detail("part"))} failed: ${detail("message")}`,
  "planner.partRecovered": (detail) => `${partName(detail("part"))} works again`,
  "history.pruned": (detail) =>
    `retention removed ${detail("events")} events, ${detail("renewals")} renewals, ${detail("versions")} pairs ` +
    `and the keys of ${detail("keys")} expired pairs`,
  "history.pruneStopped": (detail) =>
    `retention has stopped at event ${detail("number")}, which is not as renewd wrote it`,
  "history.accepted": (detail) =>
    `what somebody changed in the database was accepted: ${detail("reason")}${optional(detail, "by", ", by ")}`,
  "history.audited": (detail, { detail: { whole } }) =>
    whole === true
      ? `the history was audited: all ${detail("events")} events and every row are as renewd wrote them`
      : `the history was audited and is not as renewd wrote it: ${detail("message")}`,
  "channel.tested": (detail, { detail: { sent } }) =>
    sent === true
      ? `a test message went out by channel ${detail("channel")}${optional(detail, "by", ", asked for by ")}`
      : `channel ${detail("channel")} failed its test: ${detail("message")}`,
  "access.granted": (detail) => `${detail("by")} signed in`,
  "access.ended": (detail) => `${detail("by")} signed out`,
  "access.refused": (detail, { detail: { refusals } }) =>
    `${refusals === 1 ? "a request was" : `${detail("refusals")} requests were`} refused: ${detail("why")}`,
  "client.published": (detail) =>
    `${detail("client")} published at ${detail("name")} through solver ${detail("solver")}, for an order of its own`,
  "client.removed": (detail) => `${detail("client")} removed its value at ${detail("name")}`,
  "store.rolledBack": (detail) =>
    `the history was put back or deleted behind renewd's back: event ${detail("number")} is gone`,
  "store.restored": (_detail, { detail: all }) =>
    `the database was restored from a backup made ${instant(all, "backupMadeAt")}`,
  "clock.skewed": (detail) => `stopped planning and issuing: ${detail("message")}`,
  "clock.recovered": () => "the clock is right again",
  "clock.dissent": (detail) => `another clock is wrong: ${detail("message")}`,
  "clock.dissentOver": (detail) => `the clock of ${detail("witness")} is right again`,
  "clock.repeated": (_detail, { detail: all }) =>
    all.stopped === true ? "this machine's clock is still wrong" : "another clock is still wrong",
  "worker.concurrency": (detail, { detail: all }) =>
    all.jobs === all.max
      ? `takes as many as ${detail("max")} ${detail("kind")} jobs at a time again`
      : `takes ${detail("jobs")} of ${detail("max")} ${detail("kind")} jobs at a time, as it was too busy for more`,
  "config.reloaded": (detail, { worker }) => `${worker} has reloaded ${detail("file")}`,
  "config.refused": (detail, { worker }) => `${worker} refused to reload: ${detail("message")}`,
  "problem.acknowledged": (detail, { detail: all }) =>
    `acknowledged until ${instant(all, "until")}: ${detail("reason")}${optional(detail, "by", ", by ")}`,
  "problem.unacknowledged": (detail) => `no longer acknowledged${optional(detail, "by", ", by ")}`,
  "request.refused": (detail) => `a request was refused: ${detail("message")}${optional(detail, "by", " (by ", ")")}`,
  "alert.opened": (detail) => `alert ${detail("alert")}: ${detail("message")}`,
  "alert.raised": (detail) => `alert ${detail("alert")}: ${detail("message")}`,
  "alert.escalated": (detail) => `alert ${detail("alert")} goes to ${detail("channels")}: ${detail("message")}`,
  "alert.acknowledged": (detail) => `alert ${detail("alert")}: ${detail("message")}`,
  "alert.resolved": (detail) => `alert ${detail("alert")}: ${detail("message")}`,
  "alert.digest": (detail) => detail("message"),
  "watch.changed": (detail) =>
    `watched endpoint ${detail("watched")} went from ${detail("before")} to ` +
    `${detail("state")}${optional(detail, "message", ": ")}`,
  "definition.changed": (detail) => `${detail("what")} changed from ${detail("from")} to ${detail("to")}`,
  "discovery.found": (detail, { detail: all }) =>
    `discovery (${detail("source")}) found ${detail("count")} that nobody ` +
    `manages${all.kind === "expiring" ? " and that end soon" : ""}: ` +
    `${detail("names")}; the first ends ${instant(all, "soonest")}`,
  "inventory.ignored": (detail, { detail: all }) =>
    `${detail("name")} (${detail("fingerprint").slice(0, 12)}) is ignored until ${instant(all, "until")}: ` +
    `${detail("reason")}${optional(detail, "by", ", by ")}`,
  "inventory.unignored": (detail) =>
    `${detail("name")} (${detail("fingerprint").slice(0, 12)}) is ignored no longer${optional(detail, "by", ", by ")}`,
  "process.fault": (detail) => `internal fault in ${detail("role")}, which was started again: ${detail("error")}`,
};

export function eventSentence(event: HistoryEvent): string {
  // A newer renewd may have written kinds of events that this one does not know.
  if (!Object.hasOwn(SENTENCES, event.type)) return event.type;
  return SENTENCES[event.type]((name) => shown(event.detail, name), event);
}

/** What to do about an event that tells of an error; null: it tells of none. */
export function eventError({ detail: { code, action } }: HistoryEvent): { code: string; action: string | null } | null {
  return typeof code === "string" ? { code, action: typeof action === "string" ? action : null } : null;
}

function shown(detail: EventDetail, name: string): string {
  const value = detail[name];
  if (value === undefined || value === null) return "nothing";
  return typeof value === "object" ? value.join(", ") : String(value);
}

function optional(detail: (name: string) => string, name: string, before: string, after = ""): string {
  const value = detail(name);
  return value === "nothing" ? "" : `${before}${value}${after}`;
}

function took({ detail: { durationMs } }: HistoryEvent): string {
  return typeof durationMs === "number" ? ` in ${formatDuration(durationMs)}` : "";
}

/** A sentence that goes on. */
function clause(message: string): string {
  return message.replace(/\.$/, "");
}

function again({ detail: { retryAt } }: HistoryEvent): string {
  return typeof retryAt === "number" ? `; tries again ${spoken(iso(retryAt))}` : "; not tried again in this renewal";
}

function instant(detail: EventDetail, name: string): string {
  const value = detail[name];
  return typeof value === "number" ? spoken(iso(value)) : "nothing";
}
