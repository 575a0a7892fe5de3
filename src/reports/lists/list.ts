import { RenewalError } from "../../domain/errors.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { orderOf, prepareRows, selectedOf } from "./selection.ts";
import type { List, ListQuery } from "./shape.ts";

export type { Column, Facet, List, ListQuery } from "./shape.ts";

export interface ListPage<Row> {
  readonly rows: readonly Row[];
  /** How many rows the query selects. */
  readonly total: number;
  /** How many rows there are without any filter. */
  readonly all: number;
  /** Of counted facets, by facet and value: how many rows the query selects when this value is the facet's only one. */
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** How many selected rows come before the first one shown. */
  readonly before: number;
  /** Cursor of the page behind; null: this is the last one. */
  readonly next: string | null;
}

export const LIMIT_DEFAULT = 50;
export const LIMIT_MAX = 200;
const TEXT_LENGTH_MAX = 200;
const VALUES_MAX = 50;

/** Throws `request.invalid` that names the parameter. Parameters of other names are somebody else's and are ignored. */
export function readQuery(
  { facets, sorts, defaultSort }: Pick<List<never>, "facets" | "sorts" | "defaultSort">,
  parameters: URLSearchParams,
): ListQuery {
  const q = bounded("q", parameters.get("q") ?? "").trim();
  const sort = parameters.get("sort") ?? defaultSort;
  if (!Object.hasOwn(sorts, sort.replace(/^-/, "")))
    throw invalid("sort", `there is no order "${sort.slice(0, 40)}"; use ${Object.keys(sorts).join(", ")}`);
  const chosen = facets.flatMap(({ key }) => {
    const values = [...new Set(parameters.getAll(key).filter((value) => value !== ""))];
    if (values.length > VALUES_MAX) throw invalid(key, `takes at most ${VALUES_MAX} values`);
    return values.length === 0 ? [] : [[key, values.map((value) => bounded(key, value))] as const];
  });
  const after = parameters.get("after") || null;
  if (after !== null && readCursor(after) === null) throw invalid("after", "is no cursor of this list; leave it out");
  return { q, facets: new Map(chosen), sort, after, limit: limitOf(parameters.get("limit")) };
}

function limitOf(text: string | null): number {
  if (text === null || text === "") return LIMIT_DEFAULT;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw invalid("limit", `must be a number from 1 to ${LIMIT_MAX}`);
  return Math.min(Number(text), LIMIT_MAX);
}

function bounded(parameter: string, value: string): string {
  if (value.length > TEXT_LENGTH_MAX) throw invalid(parameter, `must be at most ${TEXT_LENGTH_MAX} characters`);
  return value;
}

export function invalid(parameter: string, why: string): RenewalError {
  return new RenewalError("request.invalid", `${parameter}: ${why}`);
}

/** Parameters in a fixed order, without those that say what holds anyway. */
export function writeQuery({ defaultSort }: Pick<List<never>, "defaultSort">, query: Partial<ListQuery>): string {
  const parameters = new URLSearchParams();
  if (query.q) parameters.set("q", query.q);
  for (const [key, values] of query.facets ?? []) for (const value of values) parameters.append(key, value);
  if (query.sort !== undefined && query.sort !== defaultSort) parameters.set("sort", query.sort);
  if (query.limit !== undefined && query.limit !== LIMIT_DEFAULT) parameters.set("limit", String(query.limit));
  if (query.after) parameters.set("after", query.after);
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

/**
 * One page of rows that are in memory. What a query selects is kept as long as its rows are: the next page, or the same
 * page in another tab, costs what is shown.
 */
export function pageOf<Row>(list: List<Row>, rows: readonly Row[], query: ListQuery): ListPage<Row> {
  const order = orderOf(list, query.sort);
  const { selected, counts } = selectedOf(list, rows, query);
  const cursor = query.after === null ? null : readCursor(query.after);
  const from = cursor === null ? 0 : firstAfter(selected, (row) => order.compareTo(row, cursor));
  const shown = selected.slice(from, from + query.limit);
  const last = shown.at(-1);
  const hasMore = from + shown.length < selected.length;
  return {
    rows: shown,
    total: selected.length,
    all: rows.length,
    counts,
    before: from,
    next: hasMore && last !== undefined ? writeCursor({ value: order.value(last), id: list.id(last) }) : null,
  };
}

/** Every selected row, in order: for files. */
export function allOf<Row>(list: List<Row>, rows: readonly Row[], query: ListQuery): readonly Row[] {
  return selectedOf(list, rows, query).selected;
}

const NO_PARAMETERS = new URLSearchParams();

/** Finds what every first page of a list needs; `turn` lets other work go on in between. */
export async function prepare<Row>(list: List<Row>, rows: readonly Row[], turn: () => Promise<void>): Promise<void> {
  await prepareRows(list, rows, turn);
  selectedOf(list, rows, readQuery(list, NO_PARAMETERS));
}

/** How many rows have each value of each counted facet, without any filter. */
export function countsOf<Row>(list: List<Row>, rows: readonly Row[]): ListPage<Row>["counts"] {
  return selectedOf(list, rows, readQuery(list, NO_PARAMETERS)).counts;
}

/** By halving: the row of the cursor may be gone by now. */
function firstAfter<Row>(rows: readonly Row[], compareToCursor: (row: Row) => number): number {
  let [from, to] = [0, rows.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const row = rows[middle];
    if (row !== undefined && compareToCursor(row) <= 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
