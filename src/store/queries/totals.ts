import type { EventType } from "../../domain/event.ts";
import {
  DURATION_BOUNDS_MS,
  type StageTotal,
  TIMED_STAGES,
  type TimedStage,
  type TotalsStore,
} from "../../domain/totals.ts";
import { atomically, type Db, type Dialect } from "../schema.ts";

const ID = 1;
/** In `stage_totals`: beyond every bound. */
const BEYOND = -1;
const MOMENTS: readonly EventType[] = [
  "renewal.planned",
  "issue.started",
  "version.issued",
  "deploy.succeeded",
  "renewal.succeeded",
];

export function totalsStore(db: Db, dialect: Dialect): TotalsStore {
  return {
    count: (eventsMax) => atomically(db, (trx) => countNew(trx, dialect, eventsMax)),
    async read() {
      const events = await db.selectFrom("eventTotals").selectAll().orderBy("type").execute();
      const rows = await db.selectFrom("stageTotals").selectAll().execute();
      const counted = await db.selectFrom("totalsCounted").select("seq").where("id", "=", ID).executeTakeFirst();
      return {
        events,
        stages: TIMED_STAGES.map((stage) => stageTotal(stage, rows)),
        lastSeq: await newest(db),
        countedSeq: counted?.seq ?? 0,
      };
    },
  };
}

interface StageRow {
  readonly stage: string;
  readonly boundMs: number;
  readonly count: number;
  readonly sumMs: number;
}

function stageTotal(stage: TimedStage, rows: readonly StageRow[]): StageTotal {
  const own = rows.filter((row) => row.stage === stage);
  const within = DURATION_BOUNDS_MS.map((bound) =>
    own.filter(({ boundMs }) => boundMs !== BEYOND && boundMs <= bound).reduce((sum, { count }) => sum + count, 0),
  );
  return {
    stage,
    count: own.reduce((sum, { count }) => sum + count, 0),
    sumMs: own.reduce((sum, { sumMs }) => sum + sumMs, 0),
    within,
  };
}

async function newest(db: Db): Promise<number> {
  const row = await db
    .selectFrom("events")
    .select((column) => column.fn.max("seq").as("seq"))
    .executeTakeFirst();
  return row?.seq ?? 0;
}

/** Two processes that count at once wait for each other: nothing is counted twice. */
async function countNew(trx: Db, dialect: Dialect, eventsMax: number): Promise<void> {
  const from = await trx
    .selectFrom("totalsCounted")
    .select("seq")
    .where("id", "=", ID)
    .$if(dialect === "postgresql", (query) => query.forUpdate())
    .executeTakeFirst();
  const seq = from?.seq ?? 0;
  const to = Math.min(await newest(trx), seq + eventsMax);
  if (to <= seq) return;
  const fresh = await trx
    .selectFrom("events")
    .select((column) => ["type", column.fn.countAll<number>().as("count")])
    .where("seq", ">", seq)
    .where("seq", "<=", to)
    .groupBy("type")
    .execute();
  if (fresh.length > 0)
    await trx
      .insertInto("eventTotals")
      .values(fresh.map(({ type, count }) => ({ type, count: Number(count) })))
      .onConflict((conflict) =>
        conflict
          .column("type")
          .doUpdateSet((row) => ({ count: row("eventTotals.count", "+", row.ref("excluded.count")) })),
      )
      .execute();
  if (fresh.some(({ type }) => type === "renewal.succeeded")) await countStages(trx, seq, to);
  await trx
    .insertInto("totalsCounted")
    .values({ id: ID, seq: to })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ seq: to }))
    .execute();
}

/** Of the renewals that succeeded in between. Their earlier events may have been counted long ago. */
async function countStages(trx: Db, seq: number, to: number): Promise<void> {
  const moments = await trx
    .selectFrom("events")
    .select(["renewalId", "type", "at"])
    .where("type", "in", MOMENTS)
    .where("renewalId", "in", (query) =>
      query
        .selectFrom("events as ended")
        .select("ended.renewalId")
        .where("ended.type", "=", "renewal.succeeded")
        .where("ended.seq", ">", seq)
        .where("ended.seq", "<=", to)
        .where("ended.renewalId", "is not", null),
    )
    .orderBy("seq")
    .execute();
  const rows = new Map<string, StageRow>();
  for (const own of Map.groupBy(moments, ({ renewalId }) => renewalId).values())
    for (const [stage, durationMs] of durationsOf(own)) {
      const boundMs = DURATION_BOUNDS_MS.find((bound) => durationMs <= bound) ?? BEYOND;
      const key = `${stage} ${boundMs}`;
      const known = rows.get(key) ?? { stage, boundMs, count: 0, sumMs: 0 };
      rows.set(key, { ...known, count: known.count + 1, sumMs: known.sumMs + durationMs });
    }
  if (rows.size === 0) return;
  await trx
    .insertInto("stageTotals")
    .values([...rows.values()])
    .onConflict((conflict) =>
      conflict.columns(["stage", "boundMs"]).doUpdateSet((row) => ({
        count: row("stageTotals.count", "+", row.ref("excluded.count")),
        sumMs: row("stageTotals.sumMs", "+", row.ref("excluded.sumMs")),
      })),
    )
    .execute();
}

interface Moment {
  readonly type: string;
  readonly at: number;
}

/** A stage that a renewal did not go through has none; a clock that was set back makes none negative. */
function durationsOf(moments: readonly Moment[]): [TimedStage, number][] {
  const first = (type: EventType): number | undefined => moments.find((each) => each.type === type)?.at;
  const last = (type: EventType): number | undefined => moments.findLast((each) => each.type === type)?.at;
  const planned = first("renewal.planned");
  const started = first("issue.started");
  const issued = last("version.issued");
  const deployed = last("deploy.succeeded");
  const ended = last("renewal.succeeded");
  const spans: [TimedStage, number | undefined, number | undefined][] = [
    ["waiting", planned, started],
    ["issuing", started, issued],
    ["deploying", issued ?? planned, deployed],
    ["verifying", deployed ?? issued, ended],
    ["total", planned, ended],
  ];
  return spans.flatMap(([stage, from, until]): [TimedStage, number][] =>
    from === undefined || until === undefined ? [] : [[stage, Math.max(0, until - from)]],
  );
}
