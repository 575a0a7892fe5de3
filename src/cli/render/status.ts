import { inert } from "../../domain/text.ts";
import { formatDuration } from "../../domain/time.ts";
import { fromNow, spoken } from "../../reports/instant.ts";
import type { InFlight, StatusReport, Trouble } from "../../reports/status.ts";
import { paint, type Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { wrap } from "../terminal/text.ts";

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
    [summary(report, screen)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function headline({ at, needsPerson, problems: found, notices: told }: StatusReport, screen: Screen): string[] {
  const people = [...found, ...told].filter((each) => each.needsPerson).length;
  const verdict = needsPerson
    ? paint(screen, "wrong", `${people} ${people === 1 ? "problem needs" : "problems need"} a person`)
    : paint(screen, "strong", "nothing needs a person");
  return [`${verdict}  ${paint(screen, "faint", spoken(at))}`];
}

function notices({ notices: told }: StatusReport, screen: Screen): string[] {
  return told.flatMap((each) => [
    paint(screen, each.needsPerson ? "wrong" : "caution", `! ${each.what}`),
    ...labelled(screen, "do", each.action),
  ]);
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

function titleOf({ certificate, needsPerson, problems: found }: Trouble, screen: Screen): string {
  const style = needsPerson ? "wrong" : "caution";
  const text = `${certificate}  ${found.map(({ what }) => what).join("; ")}`;
  const [first = "", ...more] = wrap(inert(text), screen.width - 2);
  return [`✗ ${first}`, ...more.map((line) => `  ${line}`)].map((line) => paint(screen, style, line)).join("\n");
}

function troubleLines(trouble: Trouble, at: string, screen: Screen): string[] {
  const { errors, expiresAt, tried, next, actions, renewalId } = trouble;
  const lines = [titleOf(trouble, screen)];
  lines.push(
    ...labelled(
      screen,
      "expires",
      expiresAt === null ? "no certificate was ever issued" : `${spoken(expiresAt)} (${fromNow(expiresAt, at)})`,
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
  for (const action of actions) lines.push(...labelled(screen, "do", action));
  if (renewalId !== null) lines.push(...labelled(screen, "more", `renewd show ${renewalId.slice(0, 8)}`));
  return lines;
}

/** Failed renewals in a row are in the title already. */
function triedText({ attempts }: Trouble["tried"], lastAt: string, at: string): string {
  const count =
    attempts === 0 ? "" : `${attempts} ${attempts === 1 ? "attempt" : "attempts"} in the last renewal, the last `;
  return `${count}${fromNow(lastAt, at)}`;
}

function labelled(screen: Screen, label: string, text: string): string[] {
  const lines = wrap(inert(text), screen.width - LABEL_WIDTH, MESSAGE_LINES_MAX);
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
    { title: "STAGE", widthMin: 9 },
    { title: "AGE" },
    { title: "REASON", widthMin: 6 },
    { title: "RENEWAL" },
  ];
  const rows = shown.map((each): Cell[] => [
    each.certificate,
    stageText(each, at),
    formatDuration(each.ageMs),
    each.reason,
    each.renewalId.slice(0, 8),
  ]);
  const hidden = found.length - shown.length;
  return [...renderTable(columns, rows, screen), ...(hidden > 0 ? [`… and ${hidden} more in flight`] : [])];
}

function stageText(
  { stage, targets, targetsDeployed, endpoints, endpointsProved, errorCode, waitingUntil }: InFlight,
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
  return `${stage}${progress}${errorCode === null ? "" : ` (${errorCode})`}${waiting}`;
}

function summary({ summary: sum, at }: StatusReport, screen: Screen): string {
  if (sum.certificates === 0) return "no certificates are configured";
  const parts = [
    paint(screen, sum.provedLive > 0 ? "proved" : "faint", `${sum.provedLive} proved live`),
    ...(sum.notProved > 0 ? [paint(screen, "caution", `${sum.notProved} deployed, not proved`)] : []),
    ...(sum.notIssued > 0 ? [paint(screen, "caution", `${sum.notIssued} not issued yet`)] : []),
    `${sum.renewing} renewing`,
    paint(screen, sum.withProblems > 0 ? "wrong" : null, `${sum.withProblems} with problems`),
    ...(sum.paused > 0 ? [`${sum.paused} paused`] : []),
  ];
  const expiry =
    sum.nextExpiry === null
      ? ""
      : `; next expiry ${fromNow(sum.nextExpiry.at, at)} (${inert(sum.nextExpiry.certificate)})`;
  return `${sum.certificates} certificate${sum.certificates === 1 ? "" : "s"}: ${parts.join(", ")}${expiry}`;
}
