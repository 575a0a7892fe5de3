import { type Expression, type ExpressionBuilder, type SqlBool, sql } from "kysely";
import type { EventType } from "../../domain/event.ts";
import type { HistoryFilter, HistoryPosition, HistorySearch } from "../../domain/historySearch.ts";
import { canonicalSerial } from "../../domain/version.ts";
import type { Db, Dialect, Schema } from "../schema.ts";
import { toEvent } from "./events.ts";
import { RENEWAL_COLUMNS } from "./renewals.ts";

type Renewals = ExpressionBuilder<Schema, "renewals">;
type Events = ExpressionBuilder<Schema, "events">;
type Versions = ExpressionBuilder<Schema, "versions">;
type Condition = Expression<SqlBool>;

/** Every search is one statement, however much it finds. */
export function historySearch(db: Db, dialect: Dialect): HistorySearch {
  const json = jsonOf(dialect);
  const selected = (filter: HistoryFilter) =>
    db.selectFrom("renewals").where((row) => row.and(renewalConditions(row, filter, json)));
  const selectedEvents = (filter: HistoryFilter) =>
    db.selectFrom("events").where((row) => row.and(eventConditions(row, filter, json)));
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
    async histogram(filter, { from, stepMs }) {
      const step = sql<number>`(created_at - ${sql.lit(from)}) / ${sql.lit(stepMs)}`;
      const rows = await selected({ ...filter, since: Math.max(filter.since ?? from, from) })
        .select((row) => [step.as("step"), "state", row.fn.countAll().as("count")])
        .groupBy([step, "state"])
        .orderBy(step)
        .execute();
      return rows.map(({ step, state, count }) => ({
        from: from + Math.floor(Number(step)) * stepMs,
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
  return row.or([row("createdAt", "<", at), row.and([row("createdAt", "=", at), row("id", "<", id)])]);
}

type Json = (column: "leaf" | "detail", member: string) => ReturnType<typeof sql<string | null>>;

/** As the indexes of versions have it. */
function jsonOf(dialect: Dialect): Json {
  return (column, member) =>
    dialect === "sqlite"
      ? sql<string | null>`json_extract(${sql.ref(column)}, ${sql.lit(`$.${member}`)})`
      : sql<string | null>`((${sql.ref(column)}::jsonb)->>${sql.lit(member)})`;
}

function renewalConditions(row: Renewals, filter: HistoryFilter, json: Json): Condition[] {
  const { certificate, since, before, states, reasons, triggers } = filter;
  return [
    ...(certificate === undefined ? [] : [row("certificate", "=", certificate)]),
    ...(since === undefined ? [] : [row("createdAt", ">=", since)]),
    ...(before === undefined ? [] : [row("createdAt", "<", before)]),
    ...(states?.length ? [row("state", "in", states)] : []),
    ...(reasons?.length ? [row("reason", "in", reasons)] : []),
    ...(triggers?.length ? [row("trigger", "in", triggers)] : []),
    ...(filter.types?.length ? [withEvent(row, filter.types, (event) => event.and([]))] : []),
    ...each(filter.names, (name) => named(row, "renewals.certificate", name)),
    ...each(filter.serials, (serial) =>
      ofVersion(row, (version) => version(json("leaf", "serial"), "=", canonicalSerial(serial))),
    ),
    ...each(filter.fingerprints, (fingerprint) =>
      ofVersion(row, (version) => version(json("leaf", "fingerprint"), "like", `${hex(fingerprint)}%`)),
    ),
    ...each(filter.issuers, (issuer) =>
      row.or([
        row("issuer", "=", issuer),
        ofVersion(row, (version) => version("versions.issuer", "=", issuer)),
        withEvent(row, ["issue.started"], (event) => event(json("detail", "issuer"), "=", issuer)),
      ]),
    ),
    ...each(filter.targets, (target) => withEvent(row, AT_TARGETS, (event) => event("target", "=", target))),
    ...each(filter.actors, (actor) => withEvent(row, BY_PEOPLE, (event) => byActor(event, json, actor))),
    ...each(filter.errors, (code) =>
      row.or([
        row("errorCode", "like", likeStart(code)),
        withEvent(row, WITH_CODE, (event) => event(json("detail", "code"), "like", likeStart(code))),
      ]),
    ),
    ...each(filter.words, (word) =>
      row.or([
        contains("renewals.id", word),
        contains("renewals.certificate", word),
        contains("renewals.error_message", word),
        contains("renewals.reason_detail", word),
      ]),
    ),
  ];
}

function eventConditions(row: Events, filter: HistoryFilter, json: Json): Condition[] {
  const { certificate, since, before, states, reasons, triggers, serials, fingerprints, issuers } = filter;
  const ofRenewals: HistoryFilter = {
    ...(states && { states }),
    ...(reasons && { reasons }),
    ...(triggers && { triggers }),
    ...(serials && { serials }),
    ...(fingerprints && { fingerprints }),
    ...(issuers && { issuers }),
  };
  return [
    ...(certificate === undefined ? [] : [row("certificate", "=", certificate)]),
    ...(since === undefined ? [] : [row("at", ">=", since)]),
    ...(before === undefined ? [] : [row("at", "<", before)]),
    ...(filter.types?.length ? [row("type", "in", filter.types)] : []),
    ...each(filter.names, (name) => named(row, "events.certificate", name)),
    ...each(filter.targets, (target) => row("target", "=", target)),
    ...each(filter.actors, (actor) => byActor(row, json, actor)),
    ...each(filter.errors, (code) => row(json("detail", "code"), "like", likeStart(code))),
    ...each(filter.words, (word) =>
      row.or([contains("events.type", word), contains("events.certificate", word), contains("events.detail", word)]),
    ),
    ...(Object.values(ofRenewals).some((values) => values.length > 0)
      ? [
          row("renewalId", "in", (inner) =>
            inner
              .selectFrom("renewals")
              .select("id")
              .where((renewal) => renewal.and(renewalConditions(renewal, ofRenewals, json))),
          ),
        ]
      : []),
  ];
}

function each<T>(values: readonly T[] | undefined, condition: (value: T) => Condition): Condition[] {
  return (values ?? []).map(condition);
}

/** The certificate's name, or a name that one of its versions was issued for. */
function named(row: Renewals | Events, column: string, name: string): Condition {
  // A name in JSON stands behind a quotation mark or in the middle of a value: of no other member of a leaf.
  const issued = sql<SqlBool>`${sql.ref(column)} in (select certificate from versions
    where lower(leaf) like ${`%"value":"%${likeText(name)}%`} escape '\\')`;
  return row.or([contains(column, name), issued]);
}

/** The version that the renewal brought. The first condition lets an index of versions find the few certificates. */
function ofVersion(row: Renewals, condition: (version: Versions) => Condition): Condition {
  return row.and([
    row("renewals.certificate", "in", (inner) =>
      inner
        .selectFrom("versions")
        .select("versions.certificate")
        .where((version) => condition(version)),
    ),
    row.exists((inner) =>
      inner
        .selectFrom("versions")
        .select(sql.lit(1).as("one"))
        .whereRef("versions.certificate", "=", "renewals.certificate")
        .whereRef("versions.generation", "=", "renewals.generation")
        .where((version) => condition(version)),
    ),
  ]);
}

/** Types first: their index finds the few events that can say so, and no event of the many others is read. */
function withEvent(row: Renewals, types: readonly EventType[], condition: (event: Events) => Condition): Condition {
  return row("renewals.id", "in", (inner) =>
    inner
      .selectFrom("events")
      .select("events.renewalId")
      .where("events.type", "in", types)
      .where("events.renewalId", "is not", null)
      .where((event) => condition(event)),
  );
}

/** Events that say who asked or decided. */
const BY_PEOPLE: readonly EventType[] = [
  ...(["renewal.planned", "renewal.hurried", "renewal.resumed", "renewal.rolledBack", "renewal.cancelled"] as const),
  ...(["version.imported", "version.reinstated", "certificate.rehearsed"] as const),
];

/** Events that tell of an error. */
const WITH_CODE: readonly EventType[] = [
  ...(["issue.failed", "issue.preflight", "challenge.failed", "challenge.cleanUpFailed", "deploy.failed"] as const),
  ...(["verify.stale", "renewal.failed", "renewal.held", "renewal.rolledBack"] as const),
];

const AT_TARGETS: readonly EventType[] = [
  ...(["deploy.started", "deploy.succeeded", "deploy.failed", "target.drifted"] as const),
  ...(["target.left", "target.cleaned"] as const),
];

/** Who asked, who decided, or who is named at the end of a reason. */
function byActor(event: Events, json: Json, actor: string): Condition {
  const isIn = (member: string): Condition =>
    sql<SqlBool>`lower(${json("detail", member)}) like ${`%${likeText(actor)}%`} escape '\\'`;
  const inReason = sql<SqlBool>`lower(${json("detail", "why")}) like ${`%(by %${likeText(actor)}%)`} escape '\\'`;
  return event.or([isIn("by"), isIn("requestedBy"), inReason]);
}

function contains(column: string, text: string): Condition {
  return sql<SqlBool>`lower(${sql.ref(column)}) like ${`%${likeText(text)}%`} escape '\\'`;
}

function likeText(text: string): string {
  return text.toLowerCase().replace(/[\\%_]/g, "\\$&");
}

/** Codes hold no character that means something in a pattern; of any other text nothing is found. */
function likeStart(code: string): string {
  return `${code.replace(/[^\w.]/g, "?")}%`;
}

function hex(fingerprint: string): string {
  return fingerprint
    .replaceAll(":", "")
    .toLowerCase()
    .replace(/[^0-9a-f]/g, "?");
}
