import { responsibilityFacts } from "../../domain/responsibility.ts";
import { inert } from "../../domain/text.ts";
import { formatDuration } from "../../domain/time.ts";
import type { InFlight } from "../../reports/inFlight.ts";
import { ago, fromNow, spoken } from "../../reports/instant.ts";
import type { Acknowledged, StatusReport, Trouble } from "../../reports/status.ts";
import { paint, type Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { displayWidth, wrap, wrapAdvice } from "../terminal/text.ts";
import { reasonText } from "./reason.ts";

/** So that it stays one screen: the first problems in full, some more in a line each, the rest by their kind. */
const FULL_MAX = 4;
const BRIEF_MAX = 8;
const IN_FLIGHT_MAX = 8;
const ERRORS_MAX = 3;
const MESSAGE_LINES_MAX = 3;
const LABEL_WIDTH = 10;

export function renderStatus(report: StatusReport, screen: Screen, all = false): string {
  const sections = [
    headline(report, screen),
    notices(report, screen),
    problems(report, screen, all),
    inFlight(report, screen, all),
    [summary(report, screen), ...processes(report, screen)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function headline({ at, needsPerson, problems: found, notices: told }: StatusReport, screen: Screen): string[] {
  const all = found.length + told.length;
  const people = [...found, ...told].filter((each) => each.needsPerson).length;
  const others = all - people;
  const verdict = needsPerson
    ? paint(screen, "wrong", `${people} ${people === 1 ? "problem needs" : "problems need"} a person`)
    : paint(screen, "strong", "nothing needs a person");
  const more = others === 0 ? "" : `, ${others} ${others === 1 ? "finding does" : "findings do"} not`;
  return [`${verdict}${needsPerson ? more : ""}  ${paint(screen, "faint", spoken(at))}`];
}

function notices({ notices: told }: StatusReport, screen: Screen): string[] {
  return told.flatMap(({ what, action, needsPerson, acknowledged }) => [
    ...marked(screen, what, needsPerson),
    ...advised(screen, action),
    ...acknowledgedLines(screen, acknowledged),
  ]);
}

/** ✗ needs a person, ! does not. */
function marked(screen: Screen, text: string, needsPerson: boolean): string[] {
  const style = needsPerson ? "wrong" : "caution";
  const lines = wrap(inert(text), screen.width - 2, MESSAGE_LINES_MAX);
  return lines.map((line, index) => paint(screen, style, `${index > 0 ? " " : needsPerson ? "✗" : "!"} ${line}`));
}

function acknowledgedLines(screen: Screen, acknowledged: Acknowledged | null): string[] {
  if (acknowledged === null) return [];
  const { by, reason, until } = acknowledged;
  return labelled(screen, "seen", `${by === null ? "" : `by ${by}, `}until ${spoken(until)}: ${reason}`);
}

function problems({ problems: found, at }: StatusReport, screen: Screen, all: boolean): string[] {
  const fullMax = all ? found.length : FULL_MAX;
  const briefMax = all ? 0 : BRIEF_MAX;
  const full = found
    .slice(0, fullMax)
    .flatMap((trouble, index) => [...(index === 0 ? [] : [""]), ...troubleLines(trouble, at, screen)]);
  const brief = found.slice(fullMax, fullMax + briefMax).map((trouble) => titleOf(trouble, screen));
  const rest = found.slice(fullMax + briefMax);
  const lines = [...full, ...(brief.length > 0 ? ["", ...brief] : [])];
  return rest.length === 0
    ? lines
    : [...lines, paint(screen, "wrong", `… and ${rest.length} more: ${byKind(rest)} (\`renewd status --all\`)`)];
}

/** Labels stand in a narrow column. */
const SHORT: Readonly<Record<string, string>> = { Criticality: "hurts" };

function titleOf({ certificate, needsPerson, problems: found }: Trouble, screen: Screen): string {
  return marked(screen, `${certificate}  ${found.map(({ what }) => what).join("; ")}`, needsPerson).join("\n");
}

function neverSeen({ observed, errors }: Trouble): string {
  if (!observed) return "no certificate was ever issued";
  return errors.length === 0 ? "not seen yet: no verifier has dialled it" : "not seen yet: no dial has succeeded";
}

function troubleLines(trouble: Trouble, at: string, screen: Screen): string[] {
  const { errors, expiresAt, tried, next, actions, renewalId } = trouble;
  const lines = [titleOf(trouble, screen)];
  lines.push(
    ...labelled(
      screen,
      "expires",
      expiresAt === null ? neverSeen(trouble) : `${spoken(expiresAt)} (${fromNow(expiresAt, at)})`,
    ),
  );
  for (const { where, code, message, attempts } of errors.slice(0, ERRORS_MAX)) {
    lines.push(
      ...labelled(screen, "why", `${where}: ${message} [${code}]${attempts > 1 ? ` after ${attempts} attempts` : ""}`),
    );
  }
  if (errors.length > ERRORS_MAX)
    lines.push(...labelled(screen, "why", `… and ${errors.length - ERRORS_MAX} more errors`));
  if (tried.lastAt !== null) lines.push(...labelled(screen, "tried", triedText(tried, tried.lastAt, at)));
  lines.push(
    ...labelled(
      screen,
      "next",
      next.at === null ? next.what : `${next.what}, ${fromNow(next.at, at)} (${spoken(next.at)})`,
    ),
  );
  for (const action of actions) lines.push(...advised(screen, action));
  for (const [name, text] of responsibilityFacts(trouble.responsibility))
    lines.push(...labelled(screen, SHORT[name] ?? name.toLowerCase(), text));
  lines.push(...acknowledgedLines(screen, trouble.acknowledged));
  if (renewalId !== null) lines.push(...labelled(screen, "more", `renewd show ${renewalId.slice(0, 8)}`));
  return lines;
}

/** Failed renewals in a row are in the title already. */
function triedText({ attempts }: Trouble["tried"], lastAt: string, at: string): string {
  const count =
    attempts === 0 ? "" : `${attempts} ${attempts === 1 ? "attempt" : "attempts"} in the last renewal, the last `;
  return `${count}${ago(lastAt, at)}`;
}

function labelled(screen: Screen, label: string, text: string): string[] {
  return beside(screen, label, wrap(inert(text), screen.width - LABEL_WIDTH, MESSAGE_LINES_MAX));
}

function advised(screen: Screen, action: string): string[] {
  return beside(screen, "do", wrapAdvice(inert(action), screen.width - LABEL_WIDTH));
}

function beside(screen: Screen, label: string, lines: readonly string[]): string[] {
  return lines.map(
    (line, index) => `  ${paint(screen, "faint", (index === 0 ? label : "").padEnd(LABEL_WIDTH - 2))}${line}`,
  );
}

function byKind(rest: readonly Trouble[]): string {
  const kinds = Map.groupBy(rest, ({ errors, problems: found }) => errors[0]?.code ?? found[0]?.kind ?? "other");
  return [...kinds].map(([kind, troubles]) => `${troubles.length} ${kind}`).join(", ");
}

function inFlight({ inFlight: found, at }: StatusReport, screen: Screen, all: boolean): string[] {
  if (found.length === 0) return [];
  const shown = all ? found : found.slice(0, IN_FLIGHT_MAX);
  const columns = [
    { title: "IN FLIGHT", widthMin: 12 },
    { title: "STAGE", widthMin: 20 },
    { title: "AGE", dropOrder: 1 },
    { title: "REASON", widthMin: 8, dropOrder: 2 },
    { title: "RENEWAL" },
  ];
  const rows = shown.map((each): Cell[] => [
    each.certificate,
    stageText(each, at),
    formatDuration(each.ageMs),
    reasonText(each.reason, each.trigger),
    each.renewalId.slice(0, 8),
  ]);
  const hidden = found.length - shown.length;
  return [...renderTable(columns, rows, screen), ...(hidden > 0 ? [`… and ${hidden} more in flight`] : [])];
}

function stageText(
  {
    stage,
    targets,
    targetsDeployed,
    endpoints,
    endpointsProved,
    errorCode,
    waitingUntil,
    workersDied,
    claimed,
  }: InFlight,
  at: string,
): string {
  const progress =
    stage === "deploying"
      ? ` ${targetsDeployed}/${targets}`
      : stage === "verifying"
        ? ` ${endpointsProved}/${endpoints}`
        : "";
  const waiting =
    waitingUntil === null ? "" : `, ${errorCode === null ? "goes on" : "tries again"} ${fromNow(waitingUntil, at)}`;
  const deaths = workersDied === 0 ? "" : ` (${workersDied} workers died at it)`;
  const idle = waitingUntil === null && !claimed && stage !== "held" ? ", waits" : "";
  return `${stage}${progress}${errorCode === null ? "" : ` (${errorCode})`}${deaths}${waiting}${idle}`;
}

function summary({ summary: sum, at }: StatusReport, screen: Screen): string {
  if (sum.certificates === 0) return "no certificates are configured";
  const troubledInFlight = sum.inFlight - sum.renewing;
  const parts = [
    paint(screen, sum.provedLive > 0 ? "proved" : "faint", `${sum.provedLive} proved live`),
    ...(sum.unknown > 0 ? [paint(screen, "wrong", `${sum.unknown} unknown`)] : []),
    ...(sum.notProved > 0 ? [paint(screen, "caution", `${sum.notProved} deployed, not proved`)] : []),
    ...(sum.notIssued > 0 ? [paint(screen, "caution", `${sum.notIssued} not issued yet`)] : []),
    ...(sum.observed > 0 ? [`${sum.observed} observed only`] : []),
    ...(sum.renewing > 0 ? [`${sum.renewing} renewing`] : []),
    paint(screen, sum.withProblems > 0 ? "wrong" : null, `${sum.withProblems} with problems`) +
      (troubledInFlight > 0 ? ` (${troubledInFlight} in flight)` : ""),
  ];
  const expiry =
    sum.nextExpiry === null
      ? []
      : [`next expiry ${fromNow(sum.nextExpiry.at, at)} (${inert(sum.nextExpiry.certificate)})`];
  const paused = sum.paused > 0 ? [`${sum.paused} paused`] : [];
  const [first = "", ...others] = parts;
  const head = `${sum.certificates} certificate${sum.certificates === 1 ? "" : "s"}: ${first}`;
  const saw =
    sum.plannerSaw === sum.certificates
      ? []
      : [paint(screen, "caution", `the planner saw ${sum.plannerSaw} of ${sum.certificates}`)];
  const checked =
    Date.parse(sum.checkedSince) < Date.parse(at)
      ? [paint(screen, "faint", `every row checked since ${spoken(sum.checkedSince)}`)]
      : [];
  return filled([head, ...others, ...paused, ...saw, ...expiry, ...checked], screen.width);
}

/** Joins painted pieces by commas into lines of at most `width` columns. */
function filled(pieces: readonly string[], width: number): string {
  const lines: string[] = [];
  for (const piece of pieces) {
    const last = lines.at(-1);
    const longer = last === undefined ? piece : `${last}, ${piece}`;
    if (last === undefined) lines.push(piece);
    else if (displayWidth(longer) < width) lines[lines.length - 1] = longer;
    else lines.splice(-1, 1, `${last},`, piece);
  }
  return lines.join("\n");
}

/** Who runs, when it last worked, and how old the oldest proof is: silence of a part must not look like peace. */
function processes({ processes: all, summary: { oldestProofAt }, at }: StatusReport, screen: Screen): string[] {
  const running = all.filter((each) => each.running);
  if (running.length === 0) return [];
  const roles = [...Map.groupBy(running, ({ role }) => role)].map(([role, rows]) => {
    const worked = rows.flatMap(({ lastWorkAt }) => lastWorkAt ?? []).sort();
    const last = worked.at(-1);
    const what = role === "planner" ? "planned" : "worked";
    return `${rows.length > 1 ? `${rows.length} ` : ""}${role}${last === undefined ? "" : ` (${what} ${ago(last, at)})`}`;
  });
  const proof = oldestProofAt === null ? "" : `; oldest proof ${ago(oldestProofAt, at)}`;
  return wrap(inert(`running: ${roles.join(", ")}${proof}`), screen.width).map((line) => paint(screen, "faint", line));
}
