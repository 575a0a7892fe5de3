import { RenewalError } from "../../domain/errors.ts";
import { readCursor, type SortValue, writeCursor } from "./cursor.ts";

/**
 * One query object per list. The page, the card that counts, the CSV file, the API and the metric all ask it, so a number
 * is always a link to exactly that many rows.
 */
export interface List<Row> {
  readonly name: string;
  readonly columns: readonly Column<Row>[];
  readonly facets: readonly Facet<Row>[];
  /** Values to sort by; a row without a value comes last. */
  readonly sorts: Readonly<Record<string, (row: Row) => SortValue>>;
  /** A key of `sorts`, with `-` before it for descending. */
  readonly defaultSort: string;
  /** Unique in the list. */
  id(row: Row): string;
  /** What words of `q` search, in any case; `FACET:PART` searches a facet's values. */
  text(row: Row): readonly string[];
}

/** As the CSV file and the API have it. */
export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  value(row: Row): string | number | null;
}

export interface Facet<Row> {
  /** The parameter in the URL. */
  readonly key: string;
  readonly title: string;
  values(row: Row): readonly string[];
  /** Has so many values that nobody chooses among them: it only filters. Default: its values are counted. */
  readonly isCounted?: false;
}

/** What is kept in the URL. */
export interface ListQuery {
  readonly q: string;
  /** Several values of one facet: one of them. Several facets: all of them. */
  readonly facets: ReadonlyMap<string, readonly string[]>;
  readonly sort: string;
  /** The row before the first one shown; null: the list's begin. */
  readonly after: string | null;
  readonly limit: number;
}

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

/** One page of rows that are in memory. */
export function pageOf<Row>(list: List<Row>, rows: readonly Row[], query: ListQuery): ListPage<Row> {
  const order = orderOf(list, query.sort);
  const { selected, counts } = select(list, sorted(list, rows, query.sort), query);
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
  return select(list, sorted(list, rows, query.sort), query).selected;
}

/** How many rows a query selects: what a card or a metric says. */
export function countOf<Row>(list: List<Row>, rows: readonly Row[], query: ListQuery): number {
  return allOf(list, rows, query).length;
}

interface Selected<Row> {
  readonly selected: readonly Row[];
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

function select<Row>(list: List<Row>, rows: readonly Row[], { q, facets }: ListQuery): Selected<Row> {
  const { words, tokens } = searchOf(list, q);
  const counted = list.facets.flatMap(({ key, isCounted = true }, index) =>
    isCounted ? [{ key, index, count: new Map<string, number>() }] : [],
  );
  const wanted = list.facets.flatMap(({ key }, index) => {
    const values = facets.get(key);
    return values === undefined ? [] : [{ index, values }];
  });
  const selected: Row[] = [];
  for (const row of rows) {
    if (words.length > 0 && !matches(list.text(row), words)) continue;
    // A row that only one facet refuses still counts among that facet's other values.
    const own = facetValues(list, row);
    if (!tokens.every(({ index, part }) => own[index]?.some((value) => value.toLowerCase().includes(part)))) continue;
    let refusedBy: number | null = null;
    let refusals = 0;
    for (const { index, values } of wanted) {
      if (own[index]?.some((value) => values.includes(value))) continue;
      refusedBy = index;
      refusals += 1;
      if (refusals > 1) break;
    }
    if (refusals === 0) selected.push(row);
    if (refusals > 1) continue;
    for (const { index, count } of counted) {
      if (refusedBy !== null && index !== refusedBy) continue;
      for (const value of own[index] ?? []) count.set(value, (count.get(value) ?? 0) + 1);
    }
  }
  return { selected, counts: new Map(counted.map(({ key, count }) => [key, count])) };
}

const valuesOf = new WeakMap<object, readonly (readonly string[])[]>();

/** A row never changes: its values are found once, in the order of the list's facets. */
function facetValues<Row>(list: List<Row>, row: Row): readonly (readonly string[])[] {
  if (typeof row !== "object" || row === null) return list.facets.map((facet) => facet.values(row));
  const known = valuesOf.get(row);
  if (known !== undefined) return known;
  const found = list.facets.map((facet) => facet.values(row));
  valuesOf.set(row, found);
  return found;
}

/** `owner:alice`, `label:"stage=in production"`, or a word. */
const SEARCH_PART = /(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/gi;

interface Search {
  readonly words: readonly string[];
  /** A part of a value of the facet with this index. */
  readonly tokens: readonly { readonly index: number; readonly part: string }[];
}

/** A word with a colon whose beginning is no facet, such as a fingerprint or an address, is a word. */
function searchOf<Row>({ facets }: List<Row>, q: string): Search {
  const words: string[] = [];
  const tokens: Search["tokens"][number][] = [];
  for (const [whole, key, quoted, bare] of q.toLowerCase().matchAll(SEARCH_PART)) {
    const index = key === undefined ? -1 : facets.findIndex((facet) => facet.key.toLowerCase() === key);
    const part = quoted ?? bare ?? "";
    if (index >= 0) tokens.push({ index, part });
    else words.push(key === undefined ? part : whole);
  }
  return { words, tokens };
}

function matches(texts: readonly string[], words: readonly string[]): boolean {
  return words.every((word) => texts.some((text) => text.toLowerCase().includes(word)));
}

interface Order<Row> {
  value(row: Row): SortValue;
  compareTo(row: Row, cursor: { readonly value: SortValue; readonly id: string }): number;
}

function orderOf<Row>(list: List<Row>, sort: string): Order<Row> {
  const descending = sort.startsWith("-");
  const value = list.sorts[sort.replace(/^-/, "")] ?? (() => null);
  return {
    value,
    compareTo: (row, cursor) => compare(value(row), cursor.value, descending) || order(list.id(row), cursor.id),
  };
}

function compare(a: SortValue, b: SortValue, descending: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const found = typeof a === typeof b ? order(a, b) : order(String(a), String(b));
  return descending ? -found : found;
}

function order(a: string | number, b: string | number): number {
  return a < b ? -1 : Number(a > b);
}

/** Sorting ten thousand rows costs more than all else, and the rows stay the same until something changes. */
const kept = new WeakMap<readonly unknown[], Map<string, readonly unknown[]>>();

function sorted<Row>(list: List<Row>, rows: readonly Row[], sort: string): readonly Row[] {
  const byOrder = kept.get(rows) ?? new Map<string, readonly Row[]>();
  kept.set(rows, byOrder);
  const key = `${list.name} ${sort}`;
  const known = byOrder.get(key);
  // Only this function fills the map, and the list's name is part of the key.
  if (known !== undefined) return known as readonly Row[];
  const { value, compareTo } = orderOf(list, sort);
  const found = rows.toSorted((a, b) => compareTo(a, { value: value(b), id: list.id(b) }));
  byOrder.set(key, found);
  return found;
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
