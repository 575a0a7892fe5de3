import type { HistoryEvent } from "../../src/domain/event.ts";

/** What each event means to someone watching. */
const STAGE: Partial<Record<HistoryEvent["type"], string>> = {
  "renewal.planned": "planned",
  "issue.started": "issuing",
  "order.created": "order opened",
  "order.resumed": "order resumed",
  "challenge.presented": "challenge answered",
  "challenge.waiting": "waiting for DNS",
  "order.finalized": "finalized",
  "version.issued": "issued",
  "issue.failed": "issue FAILED",
  "deploy.started": "deploying",
  "deploy.succeeded": "deployed",
  "deploy.failed": "deploy FAILED",
  "verify.started": "shaking hands",
  "verify.converged": "proved live",
  "verify.stale": "NOT proved",
  "renewal.succeeded": "succeeded",
  "renewal.failed": "FAILED",
};

/** One line per certificate, redrawn in place on a terminal; one line per event elsewhere. */
export class Progress {
  readonly #names: readonly string[];
  readonly #redraw: boolean;
  readonly #startedAt = performance.now();
  readonly #lines = new Map<string, string>();
  #drawn = false;

  constructor(names: readonly string[], redraw: boolean) {
    this.#names = names;
    this.#redraw = redraw;
  }

  show(event: HistoryEvent): void {
    const { certificate } = event;
    const stage = STAGE[event.type];
    if (certificate === null || stage === undefined) return;
    const text = `${this.#elapsed()}  ${certificate.padEnd(10)} ${stage.padEnd(17)} ${explain(event)}`;
    if (!this.#redraw) {
      console.log(text);
      return;
    }
    this.#lines.set(certificate, text);
    this.#draw();
  }

  #draw(): void {
    if (this.#drawn) process.stdout.write(`\x1b[${this.#names.length}A`);
    this.#drawn = true;
    const width = process.stdout.columns || 120;
    for (const name of this.#names) {
      const text = this.#lines.get(name) ?? `${" ".repeat(9)}${name.padEnd(10)} left alone`;
      process.stdout.write(`\x1b[2K${text.slice(0, width - 1)}\n`);
    }
  }

  #elapsed(): string {
    return `${((performance.now() - this.#startedAt) / 1000).toFixed(2).padStart(6)} s`;
  }
}

function explain({ target, detail }: HistoryEvent): string {
  const parts = [
    target,
    detail.detail,
    detail.challenge,
    detail.endpoint,
    detail.message ?? (typeof detail.serial === "string" ? `serial ${detail.serial.slice(0, 12)}…` : null),
  ];
  return parts.filter((part) => typeof part === "string" && part !== "").join("  ");
}

/** A table as plain text, columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const [head, ...body] = rows.map(line);
  return [head, widths.map((width) => "─".repeat(width)).join("──"), ...body].join("\n");
}
