import { sql } from "kysely";
import type { HistoryFilter, HistoryPosition, HistorySearch } from "../../domain/historySearch.ts";
import type { Db, Dialect } from "../schema.ts";
import { toEvent } from "./events.ts";
import { type Condition, eventConditions, jsonOf, type Renewals, renewalConditions } from "./historyConditions.ts";
import { RENEWAL_COLUMNS } from "./renewalLists.ts";

/** Every search is one statement, however much it finds. */
export function historySearch(db: Db, dialect: Dialect): HistorySearch {
  const json = jsonOf(dialect);
  const selected = (filter: HistoryFilter) =>
    db.selectFrom("renewals").where((row) => row.and(renewalConditions(row, filter, dialect)));
  const selectedEvents = (filter: HistoryFilter) =>
    db.selectFrom("events").where((row) => row.and(eventConditions(row, filter, dialect)));
  return {
    renewals: (filter, { limit, after }) =>
      selected(filter)
        .select(RENEWAL_COLUMNS)
        .$if(after !== null, (query) => query.where((row) => isBehind(row, after)))
        .orderBy("createdAt", "desc")
        .orderBy("id", "desc")
        .limit(limit)
        .execute(),
    async countRenewals(filter) {
      const rows = await selected(filter)
        .select((row) => ["state", row.fn.countAll().as("count")])
        .groupBy("state")
        .execute();
      return new Map(rows.map(({ state, count }) => [state, Number(count)]));
    },
    async countErrors(filter) {
      const rows = await selected(filter)
        .select((row) => ["errorCode", row.fn.countAll().as("count")])
        .groupBy("errorCode")
        .execute();
      return new Map(rows.map(({ errorCode, count }) => [errorCode, Number(count)]));
    },
    async durations(filter, limit) {
      const rows = await selected(filter)
        .select(["createdAt", "finishedAt"])
        .orderBy("createdAt", "desc")
        .orderBy("id", "desc")
        .limit(limit)
        .execute();
      return rows.map(({ createdAt, finishedAt }) => (finishedAt ?? createdAt) - createdAt);
    },
    async histogram(filter, { from, stepMs }) {
      const step = sql<number>`case when created_at < ${sql.lit(from)} then -1
        else (created_at - ${sql.lit(from)}) / ${sql.lit(stepMs)} end`;
      const rows = await selected(filter)
        .select((row) => [step.as("step"), "state", row.fn.countAll().as("count")])
        .groupBy([step, "state"])
        .orderBy(step)
        .execute();
      return rows.map(({ step, state, count }) => ({
        from: Number(step) < 0 ? null : from + Math.floor(Number(step)) * stepMs,
        state,
        count: Number(count),
      }));
    },
    async events(filter, { limit, beforeSeq }) {
      const rows = await selectedEvents(filter)
        .selectAll()
        .$if(beforeSeq !== null, (query) => query.where("seq", "<", beforeSeq ?? 0))
        .orderBy("seq", "desc")
        .limit(limit)
        .execute();
      return rows.map(toEvent);
    },
    async countEvents(filter) {
      const row = await selectedEvents(filter)
        .select((each) => each.fn.countAll().as("count"))
        .executeTakeFirstOrThrow();
      return Number(row.count);
    },
    async serials(renewals) {
      if (renewals.length === 0) return new Map();
      const rows = await db
        .selectFrom("versions")
        .select(["certificate", "generation", json("leaf", "serial").as("serial")])
        .where("certificate", "in", [...new Set(renewals.map(({ certificate }) => certificate))])
        .where("generation", "in", [...new Set(renewals.map(({ generation }) => generation))])
        .execute();
      const known = new Map(rows.map((row) => [`${row.certificate} ${row.generation}`, row.serial]));
      return new Map(
        renewals.flatMap(({ id, certificate, generation }) => {
          const serial = known.get(`${certificate} ${generation}`);
          return serial == null ? [] : [[id, serial] as const];
        }),
      );
    },
  };
}

function isBehind(row: Renewals, after: HistoryPosition | null): Condition {
  const { at, id } = after ?? { at: 0, id: "" };
  // The first condition is where an index begins.
  return row.and([row("createdAt", "<=", at), row.or([row("createdAt", "<", at), row("id", "<", id)])]);
}
