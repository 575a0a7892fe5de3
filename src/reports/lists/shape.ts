import type { SortValue } from "./cursor.ts";

/**
 * One query object per list. The page, the card that counts, the CSV file, the API and the metric all ask it, so a
 * number is always a link to exactly that many rows.
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
