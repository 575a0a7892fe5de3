import { inertLine } from "../../domain/text.ts";
import type { Column } from "./list.ts";

/** A file that spreadsheets open (RFC 4180), line by line: it may be larger than what fits into memory. */
export function* csvHead<Row>(columns: readonly Column<Row>[]): Generator<string> {
  yield lineOf(columns.map(({ key }) => key));
}

export function* csvLines<Row>(columns: readonly Column<Row>[], rows: Iterable<Row>): Generator<string> {
  for (const row of rows) yield lineOf(columns.map((column) => column.value(row)));
}

function lineOf(values: readonly (string | number | null)[]): string {
  return `${values.map(cell).join(",")}\r\n`;
}

/** A spreadsheet takes a text that begins like this for a formula and carries it out. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = inertLine(FORMULA.test(value) ? `'${value}` : value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
