import { inert } from "../../domain/text.ts";
import { paint, type Screen, type Style } from "./style.ts";
import { displayWidth, truncate, wrap } from "./text.ts";

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** May be cut down to this many columns when the screen is too narrow; without it the column keeps its width. */
  readonly widthMin?: number;
  /** Too narrow for its text, it goes on in further lines instead of being cut: for sentences, which say the most. */
  readonly wraps?: boolean;
  /** Cut before any other column. */
  readonly expendable?: boolean;
  /** Left out when the table does not fit although everything is cut: the highest number first; absent: never. */
  readonly dropOrder?: number;
}

/** Lines of one wrapped cell: an error may quote a whole page. */
const WRAPPED_LINES_MAX = 8;

export type Cell = string | { readonly text: string; readonly style: Style };

const GAP = "  ";

/**
 * Lines of a table whose cells are made inert here. Too wide a table wraps or loses the ends of its cuttable cells,
 * then loses whole columns in their drop order.
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], screen: Screen): string[] {
  const kept = keptColumns(columns, rows, screen.width);
  if (kept.length < columns.length)
    return renderTable(
      kept.map(({ column }) => column),
      rows.map((row) => kept.map(({ index }) => row[index] ?? "")),
      screen,
    );
  const widths = narrowed(columns, naturalWidths(columns, rows), screen.width);
  const header = columns.map((column, index) =>
    place(screen, { text: column.title, style: "faint" }, widths[index] ?? 0, column),
  );
  const body = rows
    .flatMap((row) => wrapped(columns, row, widths))
    .map((row) => columns.map((column, index) => place(screen, row[index] ?? "", widths[index] ?? 0, column)));
  return [header, ...body].map((cells) => cells.join(GAP).trimEnd());
}

/** One row as the lines that its wrapped cells need; the other cells stand in the first. */
function wrapped(columns: readonly Column[], row: readonly Cell[], widths: readonly number[]): Cell[][] {
  const cells = columns.map(({ wraps }, index): readonly Cell[] => {
    const cell = row[index] ?? "";
    if (wraps !== true) return [cell];
    const lines = wrap(inert(textOf(cell)), widths[index] ?? 0, WRAPPED_LINES_MAX);
    return typeof cell === "string" ? lines : lines.map((text) => ({ ...cell, text }));
  });
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => cells.map((lines) => lines[line] ?? ""));
}

/** Those that fit the width when every cuttable cell is cut to its minimum. */
function keptColumns(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
): { readonly column: Column; readonly index: number }[] {
  const least = floors(columns, naturalWidths(columns, rows));
  let kept = columns.map((column, index) => ({ column, index }));
  const tooWide = (): boolean =>
    kept.reduce((sum, { index }) => sum + (least[index] ?? 0), 0) + GAP.length * (kept.length - 1) > width;
  while (tooWide()) {
    const last = kept.reduce((most, { column }) => Math.max(most, column.dropOrder ?? 0), 0);
    if (last === 0) break;
    kept = kept.filter(({ column }) => column.dropOrder !== last);
  }
  return kept;
}

function floors(columns: readonly Column[], natural: readonly number[]): number[] {
  return columns.map(({ title, widthMin }, index) =>
    widthMin === undefined
      ? (natural[index] ?? 0)
      : Math.min(natural[index] ?? 0, Math.max(widthMin, displayWidth(title))),
  );
}

function naturalWidths(columns: readonly Column[], rows: readonly (readonly Cell[])[]): number[] {
  return columns.map(({ title }, index) =>
    Math.max(displayWidth(title), ...rows.map((row) => displayWidth(inert(textOf(row[index] ?? ""))))),
  );
}

/** Takes what is too much from the widest cuttable column first, so that short columns stay readable longest. */
function narrowed(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  const floor = floors(columns, natural);
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    const cuttable = widths.map((each, index) => (each > (floor[index] ?? 0) ? each : 0));
    const expendable = cuttable.map((each, index) => (columns[index]?.expendable ? each : 0));
    const spare = expendable.some((each) => each > 0) ? expendable : cuttable;
    const widest = Math.max(...spare);
    if (widest === 0) break;
    widths[spare.indexOf(widest)] = widest - 1;
    excess -= 1;
  }
  return widths;
}

function place(screen: Screen, cell: Cell, width: number, { align }: Column): string {
  const text = truncate(inert(textOf(cell)), width);
  const padding = " ".repeat(Math.max(0, width - displayWidth(text)));
  // `text` is inert already, which `paint` leaves as it is.
  const painted = paint(screen, typeof cell === "string" ? null : cell.style, text);
  return align === "right" ? padding + painted : painted + padding;
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}
