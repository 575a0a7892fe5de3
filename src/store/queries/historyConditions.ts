import { type Expression, type ExpressionBuilder, type SqlBool, sql } from "kysely";
import type { EventType } from "../../domain/event.ts";
import type { HistoryFilter } from "../../domain/historySearch.ts";
import { canonicalSerial } from "../../domain/version.ts";
import type { Dialect, Schema } from "../schema.ts";

export type Renewals = ExpressionBuilder<Schema, "renewals">;
type Events = ExpressionBuilder<Schema, "events">;
type Versions = ExpressionBuilder<Schema, "versions">;
export type Condition = Expression<SqlBool>;

type Json = (column: "leaf" | "detail", member: string) => ReturnType<typeof sql<string | null>>;

/**
 * As the indexes of versions and events have it. A damaged detail says nothing, and keeps no search from the others.
 */
export function jsonOf(dialect: Dialect): Json {
  return (column, member) => {
    const at = sql.lit(`$.${member}`);
    if (dialect === "postgresql") return sql<string | null>`((${sql.ref(column)}::jsonb)->>${sql.lit(member)})`;
    return column === "leaf"
      ? sql<string | null>`json_extract(leaf, ${at})`
      : sql<string | null>`iif(json_valid(detail), json_extract(detail, ${at}), null)`;
  };
}

export function renewalConditions(row: Renewals, filter: HistoryFilter, dialect: Dialect): Condition[] {
  const json = jsonOf(dialect);
  const searched = narrowedBy(dialect);
  const { certificate, since, before, states, reasons, triggers } = filter;
  return [
    ...(certificate === undefined ? [] : [row("certificate", "=", certificate)]),
    ...(since === undefined ? [] : [row("createdAt", ">=", since)]),
    ...(before === undefined ? [] : [row("createdAt", "<", before)]),
    ...(states?.length ? [row("state", "in", states)] : []),
    ...(reasons?.length ? [row("reason", "in", reasons)] : []),
    ...(triggers?.length ? [row("trigger", "in", triggers)] : []),
    ...(filter.types?.length ? [withEvent(row, filter.types, (event) => event.and([]))] : []),
    ...each(filter.names, (name) => sql<SqlBool>`renewals.certificate in (${certificatesNamed(dialect, name)})`),
    ...each(filter.serials, (serial) =>
      ofVersion(row, (version) =>
        // As a whole number it has no zeros in front; as a beginning it may need them.
        version.or(
          [canonicalSerial(serial), serial.replaceAll(":", "").toUpperCase()].map((start) =>
            startsWith(dialect, json("leaf", "serial"), start),
          ),
        ),
      ),
    ),
    ...each(filter.fingerprints, (fingerprint) =>
      ofVersion(row, () => startsWith(dialect, json("leaf", "fingerprint"), hex(fingerprint))),
    ),
    ...each(filter.issuers, (issuer) =>
      row.or([
        row("issuer", "=", issuer),
        // What is true of nearly all comes before what costs most.
        withEvent(row, ["issue.started"], (event) => event(json("detail", "issuer"), "=", issuer)),
        ofVersion(row, (version) => version("versions.issuer", "=", issuer)),
      ]),
    ),
    ...each(filter.targets, (target) => withEvent(row, AT_TARGETS, (event) => event("target", "=", target))),
    ...each(filter.actors, (actor) =>
      withEvent(row, searched(BY_PEOPLE), (event) => event.and([namesSomebody(dialect), byActor(event, json, actor)])),
    ),
    ...each(
      filter.errors,
      (code) => sql<SqlBool>`renewals.id in (
        select id from renewals where ${startsWith(dialect, sql.ref("error_code"), code)}
        union select renewal_id from events where renewal_id is not null
          and ${typeIn(searched(WITH_CODE))} and ${startsWith(dialect, json("detail", "code"), code)})`,
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

export function eventConditions(row: Events, filter: HistoryFilter, dialect: Dialect): Condition[] {
  const json = jsonOf(dialect);
  const searched = narrowedBy(dialect);
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
    ...each(filter.names, (name) => sql<SqlBool>`events.certificate in (${certificatesNamed(dialect, name)})`),
    ...each(filter.targets, (target) => row("target", "=", target)),
    ...each(filter.actors, (actor) => row.and([namesSomebody(dialect), byActor(row, json, actor)])),
    ...each(filter.errors, (code) =>
      row.and([typeIn(searched(WITH_CODE)), startsWith(dialect, json("detail", "code"), code)]),
    ),
    ...each(filter.words, (word) =>
      row.or([contains("events.type", word), contains("events.certificate", word), contains("events.detail", word)]),
    ),
    ...(Object.values(ofRenewals).some((values) => values.length > 0)
      ? [
          row("renewalId", "in", (inner) =>
            inner
              .selectFrom("renewals")
              .select("id")
              .where((renewal) => renewal.and(renewalConditions(renewal, ofRenewals, dialect))),
          ),
        ]
      : []),
  ];
}

function each<T>(values: readonly T[] | undefined, condition: (value: T) => Condition): Condition[] {
  return (values ?? []).map(condition);
}

/**
 * Certificates of that name, or with a version that was issued for it. They are found first, in small indexes: others
 * have the renewals and events of each.
 */
function certificatesNamed(dialect: Dialect, name: string) {
  return sql`select name from certificates where ${contains("name", name)}
    union all ${issuedFor(dialect, name)}`;
}

function issuedFor(dialect: Dialect, name: string) {
  // A name in JSON stands behind a quotation mark or in the middle of a value: of no other member of an identifier.
  const [identifiers, mark] =
    dialect === "sqlite"
      ? [sql`lower(json_extract(leaf, '$.identifiers'))`, '"value":"']
      : [sql`lower((leaf::jsonb)->>'identifiers')`, '"value": "'];
  return sql`select certificate from versions where ${identifiers} like ${`%${mark}%${likeText(name)}%`} escape '\\'`;
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

/** PostgreSQL has no index of what is in JSON, so there the kind of event narrows the search. */
function narrowedBy(dialect: Dialect): (types: readonly EventType[]) => readonly EventType[] | null {
  return (types) => (dialect === "postgresql" ? types : null);
}

/** `types` null: an index finds what the condition asks for. */
function withEvent(
  row: Renewals,
  types: readonly EventType[] | null,
  condition: (event: Events) => Condition,
): Condition {
  return row("renewals.id", "in", (inner) =>
    inner
      .selectFrom("events")
      .select("events.renewalId")
      .where(typeIn(types))
      // Where nothing else narrows the search, this would look like what does.
      .$if(types !== null, (query) => query.where("events.renewalId", "is not", null))
      .where((event) => condition(event)),
  );
}

/** Literals, not parameters: a partial index is used only if the query's text implies its condition. */
function typeIn(types: readonly EventType[] | null): Condition {
  if (types === null) return sql<SqlBool>`1 = 1`;
  return sql<SqlBool>`type in (${sql.join(types.map((type) => sql.lit(type)))})`;
}

/** Events that say who asked or decided. */
const BY_PEOPLE: readonly EventType[] = [
  ...(["renewal.planned", "renewal.hurried", "renewal.resumed", "renewal.rolledBack", "renewal.cancelled"] as const),
  ...(["version.imported", "version.reinstated", "certificate.rehearsed"] as const),
];

/** Events that tell of an error. */
const WITH_CODE: readonly EventType[] = [
  ...(["issue.failed", "issue.preflight", "challenge.failed", "challenge.cleanUpFailed", "deploy.failed"] as const),
  ...(["verify.stale", "renewal.failed", "renewal.held", "renewal.rolledBack", "renewalInfo.ignored"] as const),
  ...(["certificate.unplannable", "config.refused", "request.refused"] as const),
];

const AT_TARGETS: readonly EventType[] = [
  ...(["deploy.started", "deploy.succeeded", "deploy.failed", "target.drifted"] as const),
  ...(["target.left", "target.cleaned"] as const),
];

/** Who asked, who decided, or who is named at the end of a reason. */
function byActor(event: Events, json: Json, actor: string): Condition {
  const isIn = (member: string): Condition =>
    sql<SqlBool>`lower(${json("detail", member)}) like ${`%${likeText(actor)}%`} escape '\\'`;
  const inReason = (member: string): Condition =>
    sql<SqlBool>`lower(${json("detail", member)}) like ${`%(by %${likeText(actor)}%)`} escape '\\'`;
  return event.or([isIn("by"), isIn("requestedBy"), inReason("why"), inReason("detail")]);
}

function contains(column: string, text: string): Condition {
  return sql<SqlBool>`lower(${sql.ref(column)}) like ${`%${likeText(text)}%`} escape '\\'`;
}

function likeText(text: string): string {
  return text.toLowerCase().replace(/[\\%_]/g, "\\$&");
}

/** Some event of those says who: in an index, so that the many others are not read. */
function namesSomebody(dialect: Dialect): Condition {
  const position = (text: string) =>
    dialect === "sqlite" ? sql`instr(detail, ${sql.lit(text)})` : sql`strpos(detail, ${sql.lit(text)})`;
  return sql<SqlBool>`${position('"by":"')} + ${position('"requestedBy":"')} + ${position("(by ")} > 0`;
}

/** A range on SQLite, whose indexes know no pattern. Codes hold no character that means something in one. */
function startsWith(dialect: Dialect, value: Expression<unknown>, code: string): Condition {
  const start = code.replace(/[^\w.]/g, "?");
  return dialect === "sqlite"
    ? sql<SqlBool>`(${value} >= ${start} and ${value} < ${`${start}\u{10ffff}`})`
    : sql<SqlBool>`${value} like ${`${start}%`}`;
}

function hex(fingerprint: string): string {
  return fingerprint
    .replaceAll(":", "")
    .toLowerCase()
    .replace(/[^0-9a-f]/g, "?");
}
