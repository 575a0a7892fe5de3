import { sql } from "kysely";
import type { HistoryEvent, NewEvent } from "../domain/event.ts";
import type { EventFilter, EventStore } from "../domain/store.ts";
import { detailJson, readJson } from "./json.ts";
import { atomically, type Db, type Dialect } from "./schema.ts";

/** Any constant of ours: the advisory lock that puts appends in one row. */
const APPEND_LOCK = 7_236_883;
/** SQLite takes 32,766 parameters in one statement; a first configuration tells of every certificate at once. */
const INSERT_ROWS_MAX = 1_000;

/** Events of a transaction that wait for its end. */
export interface EventOutbox {
  readonly waiting: NewEvent[];
  /** Called as the transaction's last act. */
  flush(): Promise<void>;
}

export function eventStore(db: Db, dialect: Dialect, worker: string): EventStore {
  return {
    append: (event) => atomically(db, (trx) => write(trx, dialect, worker, [event])),
    list: (filter) => list(db, filter),
  };
}

/**
 * Inside a transaction events are kept and written together at its end. They are numbered under a lock that lasts until
 * commit, and a lock taken last, for one statement, neither deadlocks with row locks nor is held for long.
 */
export function eventStoreInside(trx: Db, dialect: Dialect, worker: string): { events: EventStore; outbox: EventOutbox } {
  const waiting: NewEvent[] = [];
  const flush = async (): Promise<void> => {
    await write(trx, dialect, worker, waiting.splice(0));
  };
  const events: EventStore = {
    async append(event) {
      waiting.push(event);
    },
    async list(filter) {
      await flush();
      return list(trx, filter);
    },
  };
  return { events, outbox: { waiting, flush } };
}

/**
 * PostgreSQL hands out sequence numbers before commit: without the lock a reader could see 7, go on after it, and never
 * see 6, which committed later. SQLite has one writer at a time anyway.
 */
async function write(trx: Db, dialect: Dialect, worker: string, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  if (dialect === "postgresql") await sql`select pg_advisory_xact_lock(${sql.lit(APPEND_LOCK)})`.execute(trx);
  for (let from = 0; from < events.length; from += INSERT_ROWS_MAX) {
    const rows = events.slice(from, from + INSERT_ROWS_MAX).map(({ at, type, certificate, renewalId, target, detail }) => {
      return { at, type, certificate, renewalId, target, worker, detail: JSON.stringify(detail) };
    });
    await trx.insertInto("events").values(rows).execute();
  }
}

async function list(db: Db, filter: EventFilter): Promise<HistoryEvent[]> {
  const { certificate, renewalId, types, since, afterSeq, limit } = filter;
  if (types?.length === 0) return [];
  let query = db.selectFrom("events").selectAll().limit(limit);
  if (certificate !== undefined) query = query.where("certificate", "=", certificate);
  if (renewalId !== undefined) query = query.where("renewalId", "=", renewalId);
  if (types !== undefined) query = query.where("type", "in", types);
  if (since !== undefined) query = query.where("at", ">=", since);
  const rows =
    afterSeq === undefined ? (await query.orderBy("seq", "desc").execute()).reverse() : await query.where("seq", ">", afterSeq).orderBy("seq").execute();
  return rows.map((row) => ({ ...row, detail: readJson(detailJson, row.detail, `event ${row.seq}`) }));
}
