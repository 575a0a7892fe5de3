import { type Responsibility, responsibilityLine } from "../../domain/responsibility.ts";
import { inert } from "../../domain/text.ts";
import type { AlertEntry, AlertRulesReport, AlertsReport } from "../../reports/alerts.ts";
import { exerciseWords } from "../../reports/exercises.ts";
import { ago, fromNow, spoken } from "../../reports/instant.ts";
import { paint, type Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

const NAMED_MAX = 10;

const NOT_JUDGED = "no planner runs, so nothing is judged now and nobody is notified: see `renewd status`";

export function renderAlerts(
  { alerts, isJudged, channels, peers, exercises, at }: AlertsReport,
  screen: Screen,
): string {
  const blocks = alerts.map((alert) => renderOne(alert, at, screen));
  const ways = channels.map(({ channel, failures, error, lastSentAt, selfTestAt, selfTestError }): Cell[] => [
    channel,
    failures > 0 || error !== null || selfTestError !== null
      ? { text: "fails", style: "wrong" }
      : lastSentAt === null && selfTestAt === null
        ? "never tried"
        : "works",
    lastSentAt === null ? "nothing yet" : spoken(lastSentAt),
    selfTestAt === null ? "not yet" : `${spoken(selfTestAt)}${selfTestError === null ? "" : " (failed)"}`,
    error ?? selfTestError ?? "",
  ]);
  const head = [{ title: "CHANNEL" }, { title: "STATE" }, { title: "LAST SENT" }, { title: "SELF-TEST" }];
  return [
    ...(isJudged ? [] : [paint(screen, "wrong", NOT_JUDGED)]),
    alerts.length === 0 ? "no alert" : blocks.join("\n\n"),
    channels.length === 0
      ? "no channel is configured: nobody is notified"
      : renderTable([...head, { title: "", widthMin: 20, wraps: true }], ways, screen).join("\n"),
    ...renderExercises(exercises, at, screen),
    ...(peers.length === 0 ? [] : [renderPeers(peers, at, screen)]),
  ].join("\n\n");
}

/** The last few: every one is in `--json`. */
const EXERCISES_SHOWN = 5;

function renderExercises(
  { certificate, nextAt, runs }: AlertsReport["exercises"],
  at: string,
  screen: Screen,
): string[] {
  const next = certificate === null ? [] : [`${inert(certificate)} is broken on purpose ${fromNow(nextAt ?? at, at)}`];
  if (runs.length === 0) return next.map((line) => `no exercise yet: ${line}`);
  const rows = runs
    .slice(0, EXERCISES_SHOWN)
    .map((run): Cell[] => [
      spoken(run.startedAt),
      isBad(run) ? { text: inert(exerciseWords(run)), style: "wrong" } : inert(exerciseWords(run)),
      inert(run.by ?? "on schedule"),
      run.putRightAt === null ? "not yet" : spoken(run.putRightAt),
    ]);
  const head = [{ title: "EXERCISE" }, { title: "HOW IT WENT", widthMin: 20, wraps: true }];
  const rest = [{ title: "BY", dropOrder: 1 }, { title: "PROVED AGAIN" }];
  return [[...renderTable([...head, ...rest], rows, screen), ...next.map((line) => `next: ${line}`)].join("\n")];
}

function isBad({ outcome }: AlertsReport["exercises"]["runs"][number]): boolean {
  return outcome !== null && outcome !== "acknowledged" && outcome !== "cancelled";
}

function renderPeers(peers: AlertsReport["peers"], at: string, screen: Screen): string {
  const rows = peers.map(({ peer, state, since, askedAt, sweptAt, problem, url }): Cell[] => [
    peer,
    state === "well" ? state : { text: state, style: "wrong" },
    since === null ? "" : spoken(since),
    askedAt === null ? "not yet" : ago(askedAt, at),
    sweptAt === null ? "not known" : ago(sweptAt, at),
    inert(problem ?? url),
  ]);
  const head = [{ title: "PEER" }, { title: "STATE" }, { title: "SINCE", dropOrder: 1 }, { title: "ASKED" }];
  const rest = [{ title: "ITS LAST SWEEP" }, { title: "", widthMin: 20, wraps: true }];
  return renderTable([...head, ...rest], rows, screen).join("\n");
}

function renderOne(entry: AlertEntry, at: string, screen: Screen): string {
  const { alert, severity, what, resolvedAt, acknowledged, firstBadAt, gone, changed } = entry;
  const { certificates, action, responsible } = entry;
  const shown = certificates.slice(0, NAMED_MAX).map(inert).join(", ");
  const more = certificates.length > NAMED_MAX ? ` and ${certificates.length - NAMED_MAX} more` : "";
  const style = asksForSomebody(entry) ? "wrong" : "faint";
  const isThere = resolvedAt === null && gone === null;
  const facts: (readonly [string, string | null])[] = [
    ["cause", inert(entry.cause)],
    ["certificates", certificates.length < 2 ? null : `${shown}${more}`],
    ["responsible", responsible.length === 0 ? null : responsible.slice(0, NAMED_MAX).map(whoOf).join("; ")],
    ["since", `${spoken(firstBadAt)}${resolvedAt === null ? "" : `, over ${spoken(resolvedAt)}`}`],
    ["gone", gone && `since ${spoken(gone.since)}: over ${fromNow(gone.overAt, at)}, unless it comes back`],
    ["before", changed.length === 0 ? null : changed.map(inert).join("; ")],
    ["expires", entry.expiresAt === null ? null : fromNow(entry.expiresAt, at)],
    ["waits", entry.waits === null ? null : WAITS[entry.waits]],
    [
      "taken by",
      acknowledged &&
        `${inert(acknowledged.by ?? "somebody")}, ${spoken(acknowledged.at)}: ${inert(acknowledged.reason)}`,
    ],
    ["step", stepText(entry, at)],
    ["receipts", receiptsText(entry)],
    ["what to do", action === null || !isThere ? null : inert(action)],
  ];
  return [
    `${alert}  ${paint(screen, style, resolvedAt === null ? severity : "over")}  ${inert(what)}`,
    ...facts.flatMap(([name, value]) => (value === null ? [] : [`  ${name.padEnd(13)}${value}`])),
  ].join("\n");
}

/** Its cause is there, it is a page, and nobody has taken it on. */
export function asksForSomebody({ severity, resolvedAt, gone, acknowledged }: AlertEntry): boolean {
  return severity === "page" && resolvedAt === null && gone === null && acknowledged === null;
}

function whoOf(responsibility: Responsibility): string {
  return inert(responsibilityLine(responsibility) ?? "");
}

const WAITS = {
  openAfter: "nobody is notified yet: it may pass (`alerts.openAfter`)",
  quietHours: "for the end of the quiet hours",
};

function stepText({ step, next }: AlertEntry, at: string): string | null {
  if (next !== null) return `${step}; next ${fromNow(next.at, at)}: ${next.channels.map(inert).join(", ")}`;
  return step === 0 ? null : String(step);
}

function receiptsText({ receipts }: AlertEntry): string | null {
  if (receipts.length === 0) return null;
  return receipts
    .map(({ channel, at, outcome, error }) =>
      outcome === "sent"
        ? `${inert(channel)} ${spoken(at)}`
        : `${inert(channel)} gave up ${spoken(at)} (${inert(error ?? "")})`,
    )
    .join("; ");
}

export function renderAlertRules({ rules }: AlertRulesReport, screen: Screen): string {
  const rows = rules.map(({ rule, severity, when, lastFiredAt, open }): Cell[] => [
    rule,
    severity,
    lastFiredAt === null ? "never" : spoken(lastFiredAt),
    open === 0 ? "" : String(open),
    when,
  ]);
  const columns = [{ title: "RULE" }, { title: "UP TO" }, { title: "LAST FIRED", dropOrder: 1 }, { title: "OPEN" }];
  return renderTable([...columns, { title: "WHEN", widthMin: 20, wraps: true }], rows, screen).join("\n");
}
