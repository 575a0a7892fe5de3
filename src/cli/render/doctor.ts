import { inert } from "../../domain/text.ts";
import { DOCTOR_RESULTS, type DoctorCheck, type DoctorReport, type DoctorResult } from "../../reports/doctor.ts";
import { paint, type Screen, type Style } from "../terminal/style.ts";
import { wrap, wrapAdvice } from "../terminal/text.ts";

const MARK: Readonly<Record<DoctorResult, { readonly sign: string; readonly style: Style | null }>> = {
  failed: { sign: "✗", style: "wrong" },
  warning: { sign: "!", style: "caution" },
  notChecked: { sign: "?", style: "faint" },
  // Green is kept for what a handshake proved.
  passed: { sign: "✓", style: null },
};
const INDENT = "  ";

/** What failed comes first, each with how to fix it; then the rest, a line each. */
export function renderDoctor(report: DoctorReport, screen: Screen): string {
  const { failed, warnings, notChecked, passed } = report;
  const counts = [`${failed} failed`, `${warnings} to look at`, `${notChecked} not checked`, `${passed} passed`];
  const verdict = failed > 0 ? "something is wrong" : warnings > 0 ? "works, with something to look at" : "all is well";
  const head = `${paint(screen, failed > 0 ? "wrong" : "strong", verdict)} (${counts.join(", ")})`;
  const lines = DOCTOR_RESULTS.flatMap((result) =>
    report.checks.filter((check) => check.result === result).flatMap((check) => linesOf(check, screen)),
  );
  return [head, ...lines].join("\n");
}

function linesOf({ result, area, subject, message, fix, code }: DoctorCheck, screen: Screen): string[] {
  const { sign, style } = MARK[result];
  const about = subject === area ? area : `${area}: ${subject}`;
  const [first = "", ...more] = wrap(
    inert(`${about}: ${message}${code === null ? "" : ` [${code}]`}`),
    screen.width - 2,
  );
  const advice = fix === null ? [] : wrapAdvice(inert(`fix: ${fix}`), screen.width - INDENT.length - 2);
  return [
    `${paint(screen, style, sign)} ${paint(screen, null, first)}`,
    ...more.map((line) => `${INDENT}${paint(screen, null, line)}`),
    ...advice.map((line) => `${INDENT}${paint(screen, null, line)}`),
  ];
}
