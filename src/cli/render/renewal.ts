import { NOBODY, responsibilityFacts } from "../../domain/responsibility.ts";
import { inert } from "../../domain/text.ts";
import { formatDuration } from "../../domain/time.ts";
import { spoken } from "../../reports/instant.ts";
import type { ShownEvent, ShowReport } from "../../reports/renewal.ts";
import { paint, type Screen } from "../terminal/style.ts";
import { wrap, wrapAdvice } from "../terminal/text.ts";
import { outcomeCell } from "./history.ts";

const TIME_WIDTH = 33;
const FIELD_WIDTH = 13;

export function renderShow({ renewal, responsibility, events }: ShowReport, screen: Screen): string {
  const outcome = outcomeCell(renewal.state);
  const state = typeof outcome === "string" ? outcome : paint(screen, outcome.style, outcome.text);
  const lines = [
    `${paint(screen, "strong", renewal.certificate)} generation ${renewal.generation}: ${state} ` +
      `${renewal.finishedAt === null ? "for" : "after"} ${formatDuration(renewal.durationMs)}`,
    field(screen, "renewal", renewal.id),
    field(screen, "why", `${renewal.reason}, ${renewal.detail} (${renewal.trigger})`),
    ...(renewal.serial === null ? [] : [field(screen, "serial", renewal.serial)]),
    ...(renewal.errorCode === null
      ? []
      : [field(screen, "error", `${renewal.errorMessage ?? ""} [${renewal.errorCode}]`)]),
    ...responsibilityFacts(responsibility ?? NOBODY).map(([name, text]) => field(screen, name.toLowerCase(), text)),
    "",
  ];
  return [...lines, ...events.flatMap((event) => eventLines(event, screen))].join("\n");
}

function field(screen: Screen, label: string, text: string): string {
  const [first = "", ...more] = wrap(inert(text), screen.width - FIELD_WIDTH);
  return [
    `  ${paint(screen, "faint", label.padEnd(FIELD_WIDTH - 2))}${first}`,
    ...more.map((line) => " ".repeat(FIELD_WIDTH) + line),
  ].join("\n");
}

function eventLines({ at, elapsedMs, what, error }: ShownEvent, screen: Screen): string[] {
  const time = `${spoken(at)} ${`+${formatDuration(elapsedMs)}`.padStart(11)} `.padEnd(TIME_WIDTH);
  const [first = "", ...more] = wrap(inert(what), screen.width - TIME_WIDTH);
  const style = error === null ? null : "wrong";
  const indent = " ".repeat(TIME_WIDTH);
  const lines = [
    `${paint(screen, "faint", time)}${paint(screen, style, first)}`,
    ...more.map((line) => indent + paint(screen, style, line)),
  ];
  if (error === null) return lines;
  lines.push(`${indent}${paint(screen, "faint", error.code)}`);
  if (error.action === null) return lines;
  const [action = "", ...rest] = wrapAdvice(inert(`→ ${error.action}`), screen.width - TIME_WIDTH);
  return [...lines, indent + action, ...rest.map((line) => `${indent}  ${line}`)];
}
