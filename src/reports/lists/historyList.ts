import type { HistoryEvent } from "../../domain/event.ts";
import type { HistoryBar, HistoryFilter } from "../../domain/historySearch.ts";
import { RENEWAL_STATES, type Renewal, type RenewalState } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { DAY_MS } from "../../domain/time.ts";
import { iso } from "../instant.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { readTokens } from "./historyTokens.ts";
import { type Column, invalid, LIMIT_DEFAULT, LIMIT_MAX } from "./list.ts";

/** Renewals with their events grouped below them, or every event by itself. */
export const HISTORY_VIEWS = ["renewals", "events"] as const;
export type HistoryView = (typeof HISTORY_VIEWS)[number];

export interface HistoryQuery {
  /** As it was typed. */
  readonly q: string;
  readonly filter: HistoryFilter;
  readonly view: HistoryView;
  readonly after: string | null;
  readonly limit: number;
}

export interface RenewalRow extends Renewal {
  /** null: it issued nothing. */
  readonly serial: string | null;
}

export interface RenewalPage {
  readonly rows: readonly RenewalRow[];
  readonly total: number;
  /** Of the same search without `state:`. */
  readonly byState: ReadonlyMap<RenewalState, number>;
  readonly next: string | null;
}

export interface EventPage {
  readonly rows: readonly HistoryEvent[];
  readonly total: number;
  readonly next: string | null;
}

/** Throws `request.invalid` that names the parameter. */
export function readHistoryQuery(parameters: URLSearchParams, now: number): HistoryQuery {
  const q = (parameters.get("q") ?? "").trim();
  const asked = parameters.get("view") || "renewals";
  const view = HISTORY_VIEWS.find((each) => each === asked);
  if (view === undefined) throw invalid("view", `must be ${HISTORY_VIEWS.join(" or ")}`);
  const limit = parameters.get("limit") || String(LIMIT_DEFAULT);
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw invalid("limit", `must be a number from 1 to ${LIMIT_MAX}`);
  const after = parameters.get("after") || null;
  if (after !== null && typeof readCursor(after)?.value !== "number")
    throw invalid("after", "is no cursor of this list; leave it out");
  return { q, filter: readTokens(q, now), view, after, limit: Math.min(Number(limit), LIMIT_MAX) };
}

export function writeHistoryQuery({ q, view, after, limit }: Partial<HistoryQuery>): string {
  const parameters = new URLSearchParams();
  if (q) parameters.set("q", q);
  if (view !== undefined && view !== "renewals") parameters.set("view", view);
  if (limit !== undefined && limit !== LIMIT_DEFAULT) parameters.set("limit", String(limit));
  if (after) parameters.set("after", after);
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

type Searched = Pick<Store, "search" | "events">;

/** Searches whose counts are remembered. */
const KEPT_MAX = 50;
/** Counting a long history takes at most this part of the time, however fast it grows and however often it is asked. */
const DUTY_MAX = 1 / 20;
/** A cheaper count is repeated each time the history has grown. */
const CHEAP_MS = 20;

interface Counted {
  readonly seq: number;
  readonly until: number;
  readonly found: unknown;
}

const keptFor = new WeakMap<Searched["search"], Map<string, Counted>>();

/**
 * What a search counts stays as it is until something is written to the history: a renewal changes together with its
 * event. Open pages ask for the same counts again and again.
 */
async function counted<T>(
  { search, events }: Searched,
  what: string,
  filter: object,
  find: () => Promise<T>,
): Promise<T> {
  const [newest] = await events.list({ limit: 1 });
  const seq = newest?.seq ?? 0;
  const kept = keptFor.get(search) ?? new Map<string, Counted>();
  keptFor.set(search, kept);
  const key = `${what} ${JSON.stringify(filter)}`;
  const known = kept.get(key);
  // Only this function fills the map, and `what` says of which kind the answer is.
  if (known !== undefined && (known.seq === seq || performance.now() < known.until)) return known.found as T;
  const begun = performance.now();
  const found = await find();
  const tookMs = performance.now() - begun;
  kept.delete(key);
  kept.set(key, { seq, until: tookMs < CHEAP_MS ? 0 : performance.now() + tookMs / DUTY_MAX, found });
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_MAX) break;
    kept.delete(oldest);
  }
  return found;
}

/** `tally`: the histogram of the same search, which has counted already. */
export async function renewalPage(
  store: Searched,
  { filter, after, limit }: HistoryQuery,
  tally?: Pick<Histogram, "byState">,
): Promise<RenewalPage> {
  const { search } = store;
  const cursor = after === null ? null : readCursor(after);
  const position = cursor === null ? null : { at: Number(cursor.value), id: cursor.id };
  const found = await search.renewals(filter, { limit: limit + 1, after: position });
  const shown = found.slice(0, limit);
  const serials = await search.serials(shown);
  const { states, ...others } = filter;
  const byState = tally?.byState ?? (await counted(store, "states", others, () => search.countRenewals(others)));
  const chosen = states?.length ? states : RENEWAL_STATES;
  const last = shown.at(-1);
  return {
    rows: shown.map((renewal) => ({ ...renewal, serial: serials.get(renewal.id) ?? null })),
    total: chosen.reduce((sum, state) => sum + (byState.get(state) ?? 0), 0),
    byState,
    next: found.length > limit && last !== undefined ? writeCursor({ value: last.createdAt, id: last.id }) : null,
  };
}

export async function eventPage(store: Searched, { filter, after, limit }: HistoryQuery): Promise<EventPage> {
  const { search } = store;
  const cursor = after === null ? null : readCursor(after);
  const beforeSeq = cursor === null ? null : Number(cursor.value);
  const found = await search.events(filter, { limit: limit + 1, beforeSeq });
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return {
    rows,
    total: await counted(store, "events", filter, () => search.countEvents(filter)),
    next: found.length > limit && last !== undefined ? writeCursor({ value: last.seq, id: "" }) : null,
  };
}

export interface Histogram {
  /** ms since epoch. */
  readonly from: number;
  readonly stepMs: number;
  readonly steps: number;
  readonly bars: readonly (HistoryBar & { readonly from: number })[];
  /** Of the same search without `state:`, over all time. */
  readonly byState: ReadonlyMap<RenewalState, number>;
}

const STEPS = 60;

/** Days or longer spans, the last of which is now. */
export async function histogramOf(store: Searched, { filter }: HistoryQuery, now: number): Promise<Histogram> {
  const end = Math.ceil(Math.min(now, filter.before ?? now) / DAY_MS) * DAY_MS;
  const days = filter.since === undefined ? STEPS : Math.ceil((end - filter.since) / DAY_MS);
  const stepMs = Math.max(1, Math.ceil(days / STEPS)) * DAY_MS;
  const from = end - STEPS * stepMs;
  const span = { from, stepMs };
  const { states, ...others } = filter;
  // One statement counts for the bars and for the states above the rows.
  const all = await counted(store, "bars", { others, span }, () => store.search.histogram(others, span));
  const byState = new Map<RenewalState, number>();
  for (const { state, count } of all) byState.set(state, (byState.get(state) ?? 0) + count);
  const bars = all.flatMap(({ from: begin, state, count }) =>
    begin === null || (states?.length && !states.includes(state)) ? [] : [{ from: begin, state, count }],
  );
  return { ...span, steps: STEPS, bars, byState };
}

/** Rows of a file: more are asked for in parts by `before:`. */
export const EXPORT_ROWS_MAX = 10_000;

export const RENEWAL_COLUMNS: readonly Column<RenewalRow>[] = [
  { key: "id", title: "Renewal", value: ({ id }) => id },
  { key: "certificate", title: "Certificate", value: ({ certificate }) => certificate },
  { key: "startedAt", title: "Started", value: ({ createdAt }) => iso(createdAt) },
  { key: "finishedAt", title: "Ended", value: ({ finishedAt }) => iso(finishedAt) },
  { key: "state", title: "State", value: ({ state }) => state },
  { key: "reason", title: "Reason", value: ({ reason }) => reason },
  { key: "detail", title: "Why", value: ({ reasonDetail }) => reasonDetail },
  { key: "trigger", title: "Trigger", value: ({ trigger }) => trigger },
  { key: "generation", title: "Generation", value: ({ generation }) => generation },
  { key: "serial", title: "Serial", value: ({ serial }) => serial },
  { key: "attempts", title: "Attempts", value: ({ attempts }) => attempts },
  { key: "errorCode", title: "Error", value: ({ errorCode }) => errorCode },
  { key: "errorMessage", title: "Message", value: ({ errorMessage }) => errorMessage },
];
