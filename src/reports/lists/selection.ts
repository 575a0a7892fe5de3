import type { SortValue } from "./cursor.ts";
import type { List, ListQuery } from "./shape.ts";

const ROWS_PER_LOOK = 100;

/** The values of every facet, and the usual order. */
export async function prepareRows<Row>(
  list: List<Row>,
  rows: readonly Row[],
  turn: () => Promise<void>,
): Promise<void> {
  for (const [index, row] of rows.entries()) {
    facetValues(list, row);
    if (index % ROWS_PER_LOOK === 0) await turn();
  }
  sorted(list, rows, list.defaultSort);
  await turn();
}

export interface Selected<Row> {
  readonly selected: readonly Row[];
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** Queries whose rows are kept; of more, the one that was asked longest ago goes. */
const SELECTIONS_MAX = 40;
const selections = new WeakMap<readonly unknown[], Map<string, Selected<unknown>>>();

export function selectedOf<Row>(list: List<Row>, rows: readonly Row[], query: ListQuery): Selected<Row> {
  const known = selections.get(rows) ?? new Map<string, Selected<unknown>>();
  selections.set(rows, known);
  const key = JSON.stringify([list.name, query.sort, query.q, [...query.facets]]);
  // Only this function fills the map, and the list's name is part of the key.
  const found = (known.get(key) as Selected<Row> | undefined) ?? select(list, sorted(list, rows, query.sort), query);
  known.delete(key);
  known.set(key, found);
  for (const oldest of known.keys()) {
    if (known.size <= SELECTIONS_MAX) break;
    known.delete(oldest);
  }
  return found;
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
  const found = list.facets.map(({ values, isCounted = true }) => (isCounted ? shared(values(row)) : values(row)));
  valuesOf.set(row, found);
  return found;
}

/** What is counted has few values, such as `yes`: their lists took more room than the very many rows that have them. */
const SHARED = new Map<string, readonly string[]>();
const SHARED_MAX = 1_000;
const NO_VALUE: readonly string[] = [];

function shared(values: readonly string[]): readonly string[] {
  const [value] = values;
  if (value === undefined) return NO_VALUE;
  if (values.length > 1) return values;
  const known = SHARED.get(value);
  if (known === undefined && SHARED.size < SHARED_MAX) SHARED.set(value, values);
  return known ?? values;
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

export interface Order<Row> {
  value(row: Row): SortValue;
  compareTo(row: Row, cursor: { readonly value: SortValue; readonly id: string }): number;
}

export function orderOf<Row>(list: List<Row>, sort: string): Order<Row> {
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
  const { value } = orderOf(list, sort);
  const descending = sort.startsWith("-");
  const found = rows
    .map((row) => ({ row, value: value(row), id: list.id(row) }))
    .sort((a, b) => compare(a.value, b.value, descending) || order(a.id, b.id))
    .map(({ row }) => row);
  byOrder.set(key, found);
  return found;
}
