import { type Selectable, sql } from "kysely";
import type { EventDetail, HistoryEvent, HistoryMark, NewEvent } from "../../domain/event.ts";
import type { EventFilter, EventStore } from "../../domain/store.ts";
import { inertLine } from "../../domain/text.ts";
import {
  headSealOf,
  isBeforeSealing,
  type LastHead,
  lockHead,
  readHead,
  sealOf,
  takeNumbers,
  takeNumbersAfter,
} from "../historySeal.ts";
import { atomically, type Db, type Dialect, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { detailJson, readJson } from "./json.ts";

/** An arbitrary constant: the advisory lock that makes appends wait for each other. */
const APPEND_LOCK = 7_236_883;
/** A first configuration writes one event per certificate. A longer statement is prepared each time (keptPlans.ts). */
const INSERT_ROWS_MAX = 100;

/** Events of a transaction, written at its end. */
export interface EventOutbox {
  readonly waiting: NewEvent[];
  /** Called as the transaction's last act. */
  flush(): Promise<void>;
}

/** What the writer of history needs besides a connection. */
export interface EventWriter {
  readonly dialect: Dialect;
  readonly vault: Vault;
  /** Names this process in every event. */
  readonly worker: string;
  /** Shared by all transactions of one store. Absent: the head is read for each event. */
  readonly lastHead?: LastHead;
}

export function eventStore(db: Db, writer: EventWriter): EventStore {
  return {
    append: (event) => atomically(db, (trx) => write(trx, writer, [event])),
    list: (filter) => list(db, filter, writer.vault),
    lastOf: (renewalIds) => lastOf(db, renewalIds),
    mark: (seq) => mark(db, seq),
    prunedTo: () => prunedTo(db),
  };
}

/**
 * Inside a transaction, events are collected and written together at its end. Numbering needs a lock that lasts until
 * commit: taken last, it cannot deadlock with row locks and is held for a short time.
 */
export function eventStoreInside(trx: Db, writer: EventWriter): { events: EventStore; outbox: EventOutbox } {
  const waiting: NewEvent[] = [];
  const flush = async (): Promise<void> => {
    await write(trx, writer, waiting.splice(0));
  };
  const events: EventStore = {
    async append(event) {
      waiting.push(event);
    },
    async list(filter) {
      await flush();
      return list(trx, filter, writer.vault);
    },
    async lastOf(renewalIds) {
      await flush();
      return lastOf(trx, renewalIds);
    },
    async mark(seq) {
      await flush();
      return mark(trx, seq);
    },
    prunedTo: () => prunedTo(trx),
  };
  return { events, outbox: { waiting, flush } };
}

/**
 * Numbers are taken under a lock that lasts until commit. Without it, a reader could see 7, continue after it, and miss
 * 6, which committed later; and a number that was rolled back would look like a missing event. SQLite has one writer.
 */
async function write(
  trx: Db,
  { dialect, vault, worker, lastHead = { head: null } }: EventWriter,
  events: readonly NewEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const first =
    (await takeNumbersAfter(trx, vault, events.length, lastHead)) ??
    (await takeNumbersLocked(trx, { dialect, vault, lastHead }, events.length));
  const rows = events.map(({ at, type, certificate, renewalId, target, detail }, index) => {
    const row = {
      seq: first + index,
      at,
      type,
      certificate,
      renewalId,
      target,
      worker,
      detail: JSON.stringify(detail, inertValue),
    };
    return { ...row, seal: sealOf(vault, row) };
  });
  for (let from = 0; from < rows.length; from += INSERT_ROWS_MAX) {
    await trx
      .insertInto("events")
      .values(rows.slice(from, from + INSERT_ROWS_MAX))
      .execute();
  }
}

type Numbering = Pick<EventWriter, "dialect" | "vault"> & { readonly lastHead: LastHead };

async function takeNumbersLocked(trx: Db, { dialect, vault, lastHead }: Numbering, count: number): Promise<number> {
  await lockHistory(trx, { dialect });
  return takeNumbers(trx, vault, count, lastHead);
}

/**
 * History is shown in terminals, chats and logs, and never changes: a stranger's control characters must not enter it.
 */
function inertValue(_name: string, value: unknown): unknown {
  return typeof value === "string" ? inertLine(value) : value;
}

/** A damaged event stays in the list: a reader that waits for the events behind it must come past it. */
function detailOf({ seq, detail }: { readonly seq: number; readonly detail: string }): EventDetail {
  const [read = { unreadable: true }] = readEach([detail], (text) => readJson(detailJson, text, `event ${seq}`));
  return read;
}

/**
 * Until the transaction ends nobody else appends: neither the first event, nor one that follows another. The advisory
 * lock is for the first event only: a transaction that holds the head must not wait for one that waits for the head.
 */
export async function lockHistory(trx: Db, { dialect }: Pick<EventWriter, "dialect">): Promise<void> {
  if (dialect === "sqlite" || (await lockHead(trx))) return;
  await sql`select pg_advisory_xact_lock(${sql.lit(APPEND_LOCK)})`.execute(trx);
  await lockHead(trx);
}

async function prunedTo(db: Db): Promise<number> {
  return (await readHead(db))?.prunedTo ?? 0;
}

async function mark(db: Db, seq?: number): Promise<HistoryMark | null> {
  const row = await db
    .selectFrom("events")
    .select(["seq", "at", "seal"])
    .$if(seq !== undefined, (query) => query.where("seq", "=", seq ?? 0))
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined || row.seal === null ? null : { seq: row.seq, at: row.at, seal: row.seal };
}

async function list(db: Db, filter: EventFilter, vault: Vault): Promise<HistoryEvent[]> {
  const { types, afterSeq, limit } = filter;
  if (types?.length === 0) return [];
  const order = afterSeq === undefined ? "desc" : "asc";
  const rows =
    filter.sealed === undefined || vault.isBlind === true
      ? await inOrder(db, filter, order).limit(limit).execute()
      : await sealedOnes(db, filter, vault, order);
  return (order === "desc" ? rows.reverse() : rows).map(toEvent);
}

/** Pages of events of somebody else's in front of renewd's own: more of them do not stop whoever asks. */
const FOREIGN_PAGES_MAX = 100;
const PAGE_ROWS = 100;

/** The first in the order that renewd wrote, past what it did not write. What an older release wrote has no seal. */
async function sealedOnes(db: Db, filter: EventFilter, vault: Vault, order: "asc" | "desc"): Promise<EventRow[]> {
  const rows: EventRow[] = [];
  let seen: EventRow | undefined;
  for (let page = 0; page < FOREIGN_PAGES_MAX; page += 1) {
    const past = { ...filter, ...(seen && { [order === "asc" ? "afterSeq" : "beforeSeq"]: seen.seq }) };
    const limit = Math.max(filter.limit, page === 0 ? 1 : PAGE_ROWS);
    const found = await inOrder(db, { ...past, limit }, order)
      .limit(limit)
      .execute();
    const isOlder = found.some(({ seal }) => seal === null) ? await beforeSealing(db, vault) : () => false;
    const ours = ({ seal, ...row }: EventRow): boolean => (seal === null ? isOlder(row) : seal === sealOf(vault, row));
    rows.push(...found.filter(ours));
    seen = found.at(-1);
    if (rows.length >= filter.limit || found.length < limit) break;
  }
  return rows.slice(0, filter.limit);
}

/**
 * Which events without a seal to believe: what an older release wrote came before the first that has one. None where
 * that is gone, or where somebody may have changed what says so.
 */
async function beforeSealing(db: Db, vault: Vault): Promise<(row: Pick<EventRow, "seq" | "at">) => boolean> {
  const head = await readHead(db);
  if (head === null || head.seal !== headSealOf(vault, head)) return () => false;
  const first = await db.selectFrom("events").selectAll().where("seq", "=", head.firstSealed).executeTakeFirst();
  if (first === undefined || first.seal !== sealOf(vault, first)) return () => false;
  return ({ seq, at }) => isBeforeSealing(head, seq) && at <= first.at;
}

/** Of several types, an index gives the first of each; together it would give all there are, to be sorted. */
function inOrder(db: Db, { types, ...filter }: Part, order: "asc" | "desc") {
  const all = matching(db, filter).orderBy("seq", order);
  if (types === undefined) return all;
  // No index of types is taken for an expression: one renewal has few events, of all types.
  if (filter.renewalId !== undefined) return all.where(sql<string>`coalesce(type, '')`, "in", types);
  const [first, ...more] = [...new Set(types)].map((type) => all.where("type", "=", type));
  if (first === undefined || more.length === 0) return first ?? all;
  const one = (query: typeof all) => db.selectFrom(query.limit(filter.limit).as("one")).selectAll();
  return db
    .selectFrom(more.reduce((union, query) => union.unionAll(one(query)), one(first)).as("events"))
    .selectAll()
    .orderBy("seq", order);
}

/** `beforeSeq`: only events before this one. */
type Part = EventFilter & { readonly beforeSeq?: number };
type EventRow = Selectable<Schema["events"]>;

function matching(db: Db, { certificate, renewalId, since, afterSeq, beforeSeq }: Part) {
  let query = db.selectFrom("events").selectAll();
  if (certificate !== undefined) query = query.where("certificate", "=", certificate);
  if (renewalId !== undefined) query = query.where("renewalId", "=", renewalId);
  if (since !== undefined) query = query.where("at", ">=", since);
  if (afterSeq !== undefined) query = query.where("seq", ">", afterSeq);
  if (beforeSeq !== undefined) query = query.where("seq", "<", beforeSeq);
  return query;
}

async function lastOf(db: Db, renewalIds: readonly string[]): Promise<Map<string, number>> {
  if (renewalIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("events")
    .select(["renewalId", "at"])
    .where("seq", "in", (inner) =>
      inner
        .selectFrom("events as own")
        .select((row) => row.fn.max("own.seq").as("seq"))
        .where("own.renewalId", "in", renewalIds)
        .groupBy("own.renewalId"),
    )
    .execute();
  return new Map(rows.flatMap(({ renewalId, at }) => (renewalId === null ? [] : [[renewalId, at] as const])));
}

export function toEvent({ seal: _, ...row }: EventRow): HistoryEvent {
  return { ...row, detail: detailOf(row) };
}
