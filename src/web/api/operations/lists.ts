import { z } from "zod";
import { type Facet, LIMIT_MAX, type List, pageOf, readQuery } from "../../../reports/lists/list.ts";

const TEXT_MAX = 200;
const CURSOR_MAX = 1_000;

const page = {
  after: z.string().max(CURSOR_MAX).optional().describe("The `next` of the page before."),
  limit: z.int().min(1).max(LIMIT_MAX).optional().describe(`Items of a page, 1 to ${LIMIT_MAX}. Default: 50.`),
};

/** The parameters that the list itself reads: the page for people takes the same. */
export function listQuery(list: {
  readonly facets: readonly Pick<Facet<never>, "key" | "title">[];
  readonly sorts: Readonly<Record<string, unknown>>;
  readonly defaultSort: string;
}) {
  const orders = Object.keys(list.sorts).flatMap((sort) => [sort, `-${sort}`]);
  const facet = (title: string) =>
    z.array(z.string().max(TEXT_MAX)).max(50).optional().describe(`${title}: one of these.`);
  return z.strictObject({
    q: z.string().max(TEXT_MAX).optional().describe("Words that all occur in the item, in any case."),
    ...Object.fromEntries(list.facets.map(({ key, title }) => [key, facet(title)])),
    sort: z.enum(orders).optional().describe(`With \`-\` before it descending. Default: ${list.defaultSort}.`),
    ...page,
  });
}

/** The history's search. */
export const historyQuery = z.strictObject({
  q: z
    .string()
    .max(500)
    .optional()
    .describe(
      "`name: serial: fp: target: actor: error: issuer: state: reason: trigger: since: before:` and words, such as " +
        "`name:shop error:acme. since:7d`.",
    ),
  ...page,
});

export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    total: z.int().describe("How many items the parameters select."),
    next: z.string().nullable().describe("`after` of the next page; null: this is the last."),
  });
}

interface Page<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
  readonly next: string | null;
}

/** A page of items that are all at hand. */
export function itemPage<Item>(list: List<Item>, items: readonly Item[], search: URLSearchParams) {
  return pageAnswer(pageOf(list, items, readQuery(list, search)), (item) => item);
}

export function pageAnswer<Row, Item>({ rows, total, next }: Page<Row>, toItem: (row: Row) => Item) {
  return { items: rows.map(toItem), total, next };
}
