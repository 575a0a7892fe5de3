import type { Row } from "./run.ts";

const HEAD = ["drill", "faults", "injections", "lost", "mixed", "extra orders", "failed handshakes", "p50", "p95", ""];

export function table(rows: readonly Row[]): string {
  const lines = [
    HEAD,
    ...rows.map(({ drill, injections, verdict, p50Ms, p95Ms, problems }) => [
      drill.name,
      drill.faults,
      String(injections),
      String(verdict.lost),
      String(verdict.mixed),
      verdict.extraOrders === 0 ? "0" : `${verdict.extraOrders} (${verdict.excusedOrders} excused)`,
      `${verdict.failedHandshakes} of ${verdict.handshakes}`,
      seconds(p50Ms),
      seconds(p95Ms),
      problems.length === 0 ? "passed" : "FAILED",
    ]),
  ];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function details({ notes, problems }: Row): string[] {
  return [...notes, ...problems.map((problem) => `problem: ${problem}`)];
}

function seconds(ms: number | null): string {
  return ms === null ? "-" : `${(ms / 1000).toFixed(1)} s`;
}
