import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { sql } from "kysely";
import { z } from "zod";
import type { AppliedConfiguration, AppliedPage, AppliedStore, LeftOut } from "../../domain/applied.ts";
import { LIMIT_KINDS } from "../../domain/budget.ts";
import { type Certificate, KEY_TYPES } from "../../domain/certificate.ts";
import { takingTurns } from "../../domain/turns.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import { type Db, isPostgresql } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readJson } from "./json.ts";

const HEAD = 1;
/** Rows in one transaction: others write in between. */
const ROWS_MAX = 500;

/** Only shown, and written by renewd alone: the members that every report reads. */
const membersJson = z.object({ name: z.string(), digest: z.string(), endpoints: z.array(z.unknown()) });
const certificateJson = z.custom<Certificate>((value) => membersJson.safeParse(value).success);
/** Of a column that holds texts. */
const namesJson = z.custom<string[]>(Array.isArray);
const limitsJson = z.object({
  keyTypes: z.array(z.enum(KEY_TYPES)).exactOptional(),
  namesMax: z.number().exactOptional(),
  identifierTypes: z.array(z.enum(["dns", "ip"])).exactOptional(),
  profiles: z.array(z.string()).exactOptional(),
  lifetimeMinMs: z.number().exactOptional(),
});
const headJson: z.ZodType<AppliedConfiguration> = z.object({
  file: z.string(),
  digest: z.string(),
  sourceDigest: z.string(),
  release: z.string(),
  process: z.string(),
  appliedAt: z.number(),
  observeMs: z.number(),
  // Earlier releases wrote none.
  observedBefore: z.object({ observeMs: z.number(), until: z.number() }).nullable().default(null),
  certificates: z.number(),
  uses: z.object({
    certificates: z.number(),
    targets: z.array(z.string()),
    vantages: z.array(z.string()),
    anywhere: z.boolean(),
  }),
  agentTargets: z.array(z.string()),
  budgets: z.array(
    z.object({
      issuer: z.string(),
      directory: z.string(),
      limits: z.partialRecord(z.enum(LIMIT_KINDS), z.object({ max: z.number(), windowMs: z.number() })),
      renewalsExempt: z.boolean(),
    }),
  ),
  limits: z.record(z.string(), limitsJson),
  reloads: z.array(z.string()),
});

export function appliedStore(db: Db, vault: Vault): AppliedStore {
  return {
    record: (configuration, certificates) => record({ db, vault }, configuration, certificates),
    read: () => readHead({ db, vault }),
    names: () => readNames(db),
    certificates: (page, onLeftOut) => readPage({ db, vault }, page, onLeftOut),
  };
}

interface Access {
  readonly db: Db;
  readonly vault: Vault;
}

async function readHead({ db, vault }: Access): Promise<AppliedConfiguration | null> {
  const row = await db.selectFrom("appliedConfigurations").selectAll().where("id", "=", HEAD).executeTakeFirst();
  if (row === undefined || !isIntact(vault, "appliedConfigurations", row)) return null;
  const { data: head } = headJson.safeParse(JSON.parse(row.body));
  // A release that says less of it, or more, has written it: the planner of this one writes it again.
  if (head === undefined) return null;
  const { fn } = db;
  const rows = await db.selectFrom("appliedCertificates").select(fn.countAll().as("count")).executeTakeFirst();
  // One that is missing is one that somebody removed.
  return Number(rows?.count) === head.certificates ? head : null;
}

/** As one text: a hundred thousand rows of one short column take most of their time to become objects. */
async function readNames(db: Db): Promise<string[]> {
  const name = sql.ref("name");
  const names = isPostgresql(db)
    ? sql<string | null>`json_agg(${name} order by ${name})::text`
    : // SQLite would refuse all for one that holds bytes, which renewd writes nowhere here.
      sql<string>`json_group_array(iif(typeof(${name}) = 'blob', hex(${name}), ${name}) order by ${name})`;
  const { all } = await db.selectFrom("appliedCertificates").select(names.as("all")).executeTakeFirstOrThrow();
  return namesJson.parse(JSON.parse(all ?? "[]"));
}

async function readPage(
  { db, vault }: Access,
  { names, after, limit, holding }: AppliedPage,
  onLeftOut: LeftOut = () => {},
): Promise<Certificate[]> {
  // PostgreSQL knows no empty list.
  if (names?.length === 0) return [];
  let query = db.selectFrom("appliedCertificates").selectAll().orderBy("name").limit(limit);
  if (names !== undefined) query = query.where("name", "in", names);
  if (after !== undefined) query = query.where("name", ">", after);
  return (await query.execute()).flatMap((row) => {
    const isAltered = !isIntact(vault, "appliedCertificates", row);
    if (!isAltered && (holding === undefined || row.body.includes(holding)))
      return [readJson(certificateJson, row.body, `applied definition of ${row.name}`)];
    onLeftOut(row.name, isAltered ? "altered" : "other");
    return [];
  });
}

/** Nobody reads a half: until all rows are written there is no head. */
async function record(
  access: Access,
  configuration: AppliedConfiguration,
  certificates: readonly Certificate[],
): Promise<void> {
  const { db } = access;
  const known = await readHead(access).catch(() => null);
  if (known !== null && isDeepStrictEqual(whatIsApplied(known), whatIsApplied(configuration))) return;
  const { changed, gone } = await differences(access, certificates);
  if (changed.length + gone.length > 0) await db.deleteFrom("appliedConfigurations").where("id", "=", HEAD).execute();
  for (let from = 0; from < gone.length; from += ROWS_MAX) {
    const names = gone.slice(from, from + ROWS_MAX);
    await db.deleteFrom("appliedCertificates").where("name", "in", names).execute();
  }
  for (let from = 0; from < changed.length; from += ROWS_MAX)
    await writeRows(access, changed.slice(from, from + ROWS_MAX));
  await writeHead(access, configuration);
}

function whatIsApplied({ process: _, appliedAt: __, ...rest }: AppliedConfiguration): object {
  return rest;
}

/** Written as text only when its turn comes: of a first start that are all. */
interface Changed {
  readonly certificate: Certificate;
  readonly digest: string;
}

async function differences({ db }: Access, certificates: readonly Certificate[]) {
  const known = new Map<string, string>();
  for (const { name, digest } of await db.selectFrom("appliedCertificates").select(["name", "digest"]).execute())
    known.set(name, digest);
  const changed: Changed[] = [];
  const turn = takingTurns();
  for (const certificate of certificates) {
    const { name } = certificate;
    const digest = digestOf(certificate);
    if (known.get(name) !== digest) changed.push({ certificate, digest });
    known.delete(name);
    await turn();
  }
  return { changed, gone: [...known.keys()] };
}

/** A reload hands over the objects of those that did not change. */
const DIGESTS = new WeakMap<Certificate, string>();

function digestOf(certificate: Certificate): string {
  const known = DIGESTS.get(certificate);
  if (known !== undefined) return known;
  const digest = createHash("sha256").update(JSON.stringify(certificate)).digest("base64");
  DIGESTS.set(certificate, digest);
  return digest;
}

async function writeRows({ db, vault }: Access, changed: readonly Changed[]): Promise<void> {
  const rows = changed.map(({ certificate, digest }) => ({
    ...{ name: certificate.name, digest },
    body: JSON.stringify(certificate),
  }));
  await db
    .insertInto("appliedCertificates")
    .values(rows.map((row) => withSeal(vault, "appliedCertificates", row)))
    .onConflict((conflict) =>
      conflict.column("name").doUpdateSet((row) => ({
        digest: row.ref("excluded.digest"),
        body: row.ref("excluded.body"),
        seal: row.ref("excluded.seal"),
      })),
    )
    .execute();
}

async function writeHead({ db, vault }: Access, configuration: AppliedConfiguration): Promise<void> {
  const { file, digest } = configuration;
  const row = withSeal(vault, "appliedConfigurations", { id: HEAD, file, digest, body: JSON.stringify(configuration) });
  await db
    .insertInto("appliedConfigurations")
    .values(row)
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
}
