import { html } from "hono/html";
import { NOBODY } from "../../../domain/responsibility.ts";
import { type List, type ListPage, type ListQuery, writeQuery } from "../../../reports/lists/list.ts";
import { NOBODYS } from "../../../reports/lists/responsibility.ts";
import { count, foreign, formatNumber, type Html, NOTHING } from "./markup.ts";

/** What every list on a page is made of; its whole state is in the URL. */
export interface ListView<Row> {
  readonly list: List<Row>;
  readonly path: string;
  readonly query: ListQuery;
  readonly page: ListPage<Row>;
  /** Words for values of facets; a value without one is shown as it is. */
  readonly words?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Facets that are shown, in this order. */
  readonly facets: readonly string[];
}

/** Values of one facet that are shown; the others are reached by search. */
const VALUES_SHOWN = 8;

export function hrefOf(
  { path, list, query }: Pick<ListView<never>, "path" | "query"> & { list: Pick<List<never>, "defaultSort"> },
  change: Partial<ListQuery>,
): string {
  return `${path}${writeQuery(list, { ...query, after: null, ...change })}`;
}

function withFacet(query: ListQuery, key: string, values: readonly string[]): ListQuery["facets"] {
  const facets = new Map(query.facets);
  if (values.length === 0) facets.delete(key);
  else facets.set(key, values);
  return facets;
}

/** Search, active filters and facets with counts. */
export function toolbar<Row>(view: ListView<Row>, placeholder: string): Html {
  const { list, path, query } = view;
  const kept = [...query.facets].flatMap(([key, values]) => values.map((value) => ({ key, value })));
  return html`<div class="toolbar">
    <form class="search" action="${path}" method="get" role="search" hx-morph-skip>
      <label class="visually-hidden" for="q">Search</label>
      <input id="q" type="search" name="q" value="${query.q}" placeholder="${placeholder}" maxlength="200"
        autocomplete="off" />
      ${kept.map(({ key, value }) => html`<input type="hidden" name="${key}" value="${value}" />`)}
      ${query.sort === list.defaultSort ? NOTHING : html`<input type="hidden" name="sort" value="${query.sort}" />`}
      <button>Search</button>
    </form>
    ${chips(view)}
  </div>`;
}

function chips<Row>(view: ListView<Row>): Html {
  const { list, query } = view;
  const active = [...query.facets].flatMap(([key, values]) =>
    values.map((value) => {
      const title = list.facets.find((facet) => facet.key === key)?.title ?? key;
      const rest = values.filter((each) => each !== value);
      const href = hrefOf(view, { facets: withFacet(query, key, rest) });
      return html`<a class="chip" href="${href}"
        aria-label="Remove filter ${title}: ${foreign(wordOf(view, key, value))}"
        >${title}: <b>${foreign(wordOf(view, key, value))}</b> <span aria-hidden="true">×</span></a
      >`;
    }),
  );
  if (query.q !== "")
    active.unshift(
      html`<a class="chip" href="${hrefOf(view, { q: "" })}" aria-label="Remove search">“<b>${foreign(query.q)}</b>”
        <span aria-hidden="true">×</span></a>`,
    );
  return active.length === 0 ? NOTHING : html`<p class="chips">${active} <a href="${view.path}">show all</a></p>`;
}

export function facetPanel<Row>(view: ListView<Row>): Html {
  const { list, page } = view;
  const groups = view.facets.flatMap((key) => {
    const facet = list.facets.find((each) => each.key === key);
    const counts = page.counts.get(key);
    return facet === undefined || counts === undefined || counts.size < 1 || saysNothing(counts)
      ? []
      : [facetGroup(view, key, facet.title, counts)];
  });
  if (groups.length === 0) return NOTHING;
  // Closed: where the screen is wide the style shows it all the same.
  return html`<details class="facets" id="filters"><summary>Filters</summary><div class="facet-groups">${groups}</div>
    </details>`;
}

/** Nobody has said who answers for what: asking for it would only take room. */
function saysNothing(counts: ReadonlyMap<string, number>): boolean {
  return counts.size === 1 && (counts.has(NOBODYS) || counts.has(NOBODY.criticality));
}

function facetGroup<Row>(view: ListView<Row>, key: string, title: string, counts: ReadonlyMap<string, number>): Html {
  const chosen = view.query.facets.get(key) ?? [];
  const order = Object.keys(view.words?.[key] ?? {});
  const place = (value: string): number => (order.includes(value) ? order.indexOf(value) : order.length);
  const values = [...counts].sort(([a, left], [b, right]) => place(a) - place(b) || right - left || (a < b ? -1 : 1));
  const shown = values.filter(([value], index) => index < VALUES_SHOWN || chosen.includes(value));
  return html`<section class="facet">
    <h2>${title}</h2>
    <ul>
      ${shown.map(([value, number]) => {
        const href = hrefOf(view, { facets: withFacet(view.query, key, [value]) });
        const mark = chosen.includes(value) ? html` aria-current="true"` : NOTHING;
        return html`<li><a href="${href}"
          data-count="${number}"${mark}><span>${foreign(wordOf(view, key, value))}</span>
            <b>${formatNumber(number)}</b></a></li>`;
      })}
    </ul>
    ${
      values.length > shown.length
        ? html`<p class="quiet">and ${formatNumber(values.length - shown.length)} more values</p>`
        : NOTHING
    }
  </section>`;
}

function wordOf<Row>(view: ListView<Row>, key: string, value: string): string {
  return view.words?.[key]?.[value] ?? value;
}

/** A heading that sorts; `aria-sort` says how the rows stand. */
export function heading<Row>(view: ListView<Row>, sort: string, title: string, first: "up" | "down" = "up"): Html {
  const { query } = view;
  const current = query.sort.replace(/^-/, "") === sort;
  const descending = query.sort.startsWith("-");
  const next = current ? (descending ? sort : `-${sort}`) : first === "up" ? sort : `-${sort}`;
  const state = current ? (descending ? "descending" : "ascending") : "none";
  const arrow = current ? (descending ? " ↓" : " ↑") : "";
  return html`<th scope="col" aria-sort="${state}"><a href="${hrefOf(view, { sort: next })}">${title}<span
    aria-hidden="true">${arrow}</span></a></th>`;
}

/** How many rows there are, which of them are shown, and the way to the others. */
export function pager<Row>(view: ListView<Row>, noun: string): Html {
  const { page } = view;
  const to = page.before + page.rows.length;
  const shown =
    page.total <= page.rows.length ? NOTHING : html`, ${formatNumber(page.before + 1)}–${formatNumber(to)} shown`;
  return html`<p class="pager">
    ${count(page.total, hrefOf(view, {}), page.total === 1 ? noun.replace(/s$/, "") : noun)}${shown}
    ${page.before > 0 ? html` · <a href="${hrefOf(view, {})}">first page</a>` : NOTHING}
    ${page.next === null ? NOTHING : html` · <a rel="next" href="${hrefOf(view, { after: page.next })}">next page</a>`}
    · <a href="${csvHref(view)}" download>CSV of ${page.total === 1 ? "it" : `these ${formatNumber(page.total)}`}</a>
  </p>`;
}

function csvHref<Row>({ path, list, query }: ListView<Row>): string {
  return `${path}.csv${writeQuery(list, { ...query, after: null })}`;
}
