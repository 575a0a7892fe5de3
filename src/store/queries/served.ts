import { createHash } from "node:crypto";
import { type SqlBool, sql } from "kysely";
import type { ServedChange, ServedSighting, ServedStore } from "../../domain/served.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";

/** SQLite takes 32,766 parameters in one statement. */
const ROWS_MAX = 500;

type Row = Schema["servedChanges"];

export function servedStore(db: Db, vault: Vault): ServedStore {
  const read = async (rows: readonly Row[]): Promise<ServedChange[]> => {
    const intact = rows.filter((row) => isIntact(vault, "servedChanges", row));
    const chains = await chainsOf(
      db,
      intact.flatMap(({ chain }) => chain ?? []),
    );
    return intact.map(({ seal: _, chain, ...row }) => ({
      ...row,
      chain: (chain !== null && chains.get(chain)) || [],
    }));
  };
  const changes = () => db.selectFrom("servedChanges").selectAll();
  return {
    record: (sightings) => atomically(db, (trx) => record(trx, vault, sightings)),
    places({ name, port }, limit) {
      const wanted = name.toLowerCase();
      return db
        .selectFrom("servedPlaces")
        .selectAll()
        .where((row) =>
          row.and([
            row.or([
              row("host", "=", wanted),
              row("address", "=", wanted),
              row("sni", "=", wanted),
              row("key", "=", name),
            ]),
            ...(port === null ? [] : [row("port", "=", port)]),
          ]),
        )
        .orderBy("key")
        .limit(limit)
        .execute();
    },
    async changes(place, { before, limit }) {
      const rows = changes().where("place", "=", place).orderBy("since", "desc").limit(limit);
      return read(await (before === undefined ? rows : rows.where("since", "<", before)).execute());
    },
    async at(place, at) {
      const rows = changes().where("place", "=", place).where("since", "<=", at).orderBy("since", "desc").limit(1);
      return (await read(await rows.execute()))[0] ?? null;
    },
    async certificates(fingerprints) {
      const found = new Map<string, Uint8Array>();
      for (const page of pages([...new Set(fingerprints)])) {
        const rows = db.selectFrom("servedCertificates").selectAll().where("fingerprint", "in", page);
        for (const { fingerprint, der } of await rows.execute()) {
          const bytes = Buffer.from(der, "base64");
          // Somebody else wrote it.
          if (sha256(bytes) === fingerprint) found.set(fingerprint, bytes);
        }
      }
      return found;
    },
    async seenAt(of, limit) {
      const rows = changes().orderBy("since", "desc").orderBy("place").limit(limit);
      if ("leaf" in of) return read(await rows.where("leaf", "=", of.leaf).execute());
      const leaves = db.selectFrom("servedCertificates").select("fingerprint").where("keyDigest", "=", of.keyDigest);
      return read(await rows.where("leaf", "in", leaves).execute());
    },
    forget: (before, limit) => atomically(db, (trx) => forget(trx, before, limit)),
  };
}

async function record(trx: Db, vault: Vault, given: readonly ServedSighting[]): Promise<void> {
  // One statement may not change a row twice: of several sightings of a place the last counts.
  const sightings = [...new Map(given.map((each) => [each.place.key, each])).values()];
  for (const page of pages(sightings)) {
    const last = await latest(
      trx,
      page.map(({ place }) => place.key),
    );
    const rows = page.map((sighting) => rowOf(vault, sighting));
    // What a slower verifier saw before is no change.
    const fresh = rows.filter((row) => !isSame(last.get(row.place), row) && row.since > sinceOf(last.get(row.place)));
    await addSeen(trx, page, new Set(fresh.map(({ place }) => place)));
    await insertPages(fresh, (part) =>
      trx
        .insertInto("servedChanges")
        .values(part)
        .onConflict((conflict) => conflict.doNothing()),
    );
    await seenAgain(trx, rows, last);
  }
}

/** The instant is the earliest of them, so that nothing counts as seen later than it was. */
async function seenAgain(trx: Db, rows: readonly Row[], last: ReadonlyMap<string, Row>): Promise<void> {
  const same = rows.filter((row) => isSame(last.get(row.place), row));
  if (same.length === 0) return;
  const at = Math.min(...same.map(({ since }) => since));
  const keys = same.map(({ place }) => sql`(${place}, ${bigint(sinceOf(last.get(place)))})`);
  await sql`update served_changes set last_seen_at = ${at}
    where last_seen_at < ${at} and (place, since) in (values ${sql.join(keys)})`.execute(trx);
}

function rowOf(vault: Vault, { place, at, certificates, code }: ServedSighting): Row {
  const [leaf, ...chain] = (certificates ?? []).map(({ fingerprint }) => fingerprint);
  return withSeal(vault, "servedChanges", {
    ...{ place: place.key, since: at, lastSeenAt: at, leaf: leaf ?? null },
    ...{ chain: chain.length === 0 ? null : digestOf(chain), code: leaf === undefined ? code : null },
  });
}

function isSame(last: Row | undefined, row: Row): boolean {
  return last !== undefined && last.leaf === row.leaf && last.chain === row.chain && last.code === row.code;
}

function sinceOf(row: Row | undefined): number {
  return row?.since ?? Number.NEGATIVE_INFINITY;
}

async function latest(trx: Db, places: readonly string[]): Promise<ReadonlyMap<string, Row>> {
  const rows = await trx
    .selectFrom("servedChanges")
    .selectAll()
    .where("place", "in", places)
    .where(
      sql<SqlBool>`since = (select max(since) from served_changes as last where last.place = served_changes.place)`,
    )
    .execute();
  return new Map(rows.map((row) => [row.place, row]));
}

/** Places, chains and certificates that are not kept yet. */
async function addSeen(trx: Db, page: readonly ServedSighting[], fresh: ReadonlySet<string>): Promise<void> {
  const sightings = page.filter(({ place }) => fresh.has(place.key));
  await insertPages(
    sightings.map(({ place: { key, host, address, port, sni } }) => ({ key, host, address, port, sni })),
    (part) =>
      trx
        .insertInto("servedPlaces")
        .values(part)
        .onConflict((conflict) => conflict.doNothing()),
  );
  const seen = sightings.flatMap(({ certificates }) => certificates ?? []);
  // What is behind a fingerprint is worked out when it is asked for.
  const distinct = [...new Map(seen.map((each) => [each.fingerprint, each])).values()];
  const certificates = distinct.map(({ fingerprint, der, keyDigest }) => ({
    ...{ fingerprint, keyDigest },
    der: Buffer.from(der).toString("base64"),
  }));
  await insertPages(certificates, (part) =>
    trx
      .insertInto("servedCertificates")
      .values(part)
      .onConflict((conflict) => conflict.doNothing()),
  );
  const chains = new Map(
    sightings.map(({ certificates = [] }) => {
      const fingerprints = (certificates ?? []).slice(1).map(({ fingerprint }) => fingerprint);
      return [digestOf(fingerprints), fingerprints] as const;
    }),
  );
  const links = [...chains].flatMap(([digest, fingerprints]) =>
    fingerprints.map((fingerprint, position) => ({ digest, position, fingerprint })),
  );
  await insertPages(links, (part) =>
    trx
      .insertInto("servedChains")
      .values(part)
      .onConflict((conflict) => conflict.doNothing()),
  );
}

async function insertPages<T>(rows: readonly T[], insert: (page: T[]) => { execute(): Promise<unknown> }) {
  for (const page of pages(rows)) await insert(page).execute();
}

async function chainsOf(db: Db, digests: readonly string[]): Promise<ReadonlyMap<string, string[]>> {
  const chains = new Map<string, string[]>();
  for (const page of pages([...new Set(digests)])) {
    const rows = db.selectFrom("servedChains").selectAll().where("digest", "in", page);
    for (const { digest, fingerprint } of await rows.orderBy("digest").orderBy("position").execute())
      chains.set(digest, [...(chains.get(digest) ?? []), fingerprint]);
  }
  // Somebody else wrote it.
  for (const [digest, chain] of chains) if (digestOf(chain) !== digest) chains.delete(digest);
  return chains;
}

async function forget(trx: Db, before: number, limit: number): Promise<number> {
  const old = trx.selectFrom("servedChanges").select(["place", "since"]).where("lastSeenAt", "<", before);
  const rows = await old.orderBy("lastSeenAt").limit(Math.min(limit, ROWS_MAX)).execute();
  if (rows.length === 0) return 0;
  const keys = rows.map(({ place, since }) => sql`(${place}, ${bigint(since)})`);
  await sql`delete from served_changes where (place, since) in (values ${sql.join(keys)})`.execute(trx);
  await sql`delete from served_places where not exists
    (select 1 from served_changes where served_changes.place = served_places.key)`.execute(trx);
  await sql`delete from served_chains where digest not in
    (select chain from served_changes where chain is not null)`.execute(trx);
  await sql`delete from served_certificates where
    not exists (select 1 from served_changes where served_changes.leaf = served_certificates.fingerprint)
    and fingerprint not in (select fingerprint from served_chains)`.execute(trx);
  return rows.length;
}

/** PostgreSQL takes a value in a list for text. */
function bigint(value: number) {
  return sql`cast(${value} as bigint)`;
}

function digestOf(fingerprints: readonly string[]): string {
  return sha256(fingerprints.join(" "));
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function pages<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / ROWS_MAX) }, (_, i) =>
    all.slice(i * ROWS_MAX, (i + 1) * ROWS_MAX),
  );
}
