import { z } from "zod";
import { STARTTLS_PROTOCOLS } from "../../domain/endpoint.ts";
import {
  ANNOUNCED,
  type Announced,
  DISCOVERY_SOURCES,
  type FoundCertificate,
  type FoundPlace,
  type Ignored,
  INVENTORY_MAX,
  type InventoryEntry,
  type InventoryPlace,
  type InventoryStore,
  type Sighting,
  type SourceRun,
} from "../../domain/inventory.ts";
import { changeSealed, isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Dialect, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { namesJson, readJson } from "./json.ts";
import { serialOf } from "./versions.ts";

const foundJson: z.ZodType<Pick<FoundCertificate, "subject" | "issuer" | "names" | "notBefore" | "keyText">> = z.object(
  {
    subject: z.string(),
    issuer: z.string(),
    names: z.array(z.string()),
    notBefore: z.number(),
    keyText: z.string(),
  },
);
const ignoredJson: z.ZodType<Ignored> = z.object({
  reason: z.string(),
  by: z.string().nullable(),
  at: z.number(),
  until: z.number(),
});
const placeJson: z.ZodType<Pick<FoundPlace, "endpoint" | "target">> = z.object({
  endpoint: z
    .object({
      host: z.string(),
      port: z.number(),
      address: z.string(),
      sni: z.string(),
      starttls: z.enum(STARTTLS_PROTOCOLS).nullable(),
    })
    .nullable(),
  target: z.record(z.string(), z.union([z.string(), z.boolean(), z.array(z.string())])).nullable(),
});
const sourceName = z.enum(DISCOVERY_SOURCES);
const announcedNumber: z.ZodType<Announced> = z.union(Object.values(ANNOUNCED).map((each) => z.literal(each)));

/** Below the 32,766 parameters that SQLite takes in one statement, and a transaction that others can wait for. */
const PAGE_ROWS = 500;
/** Of one certificate: a wildcard on every address of a large network. */
const PLACES_MAX = 1_000;

export function inventoryStore(db: Db, dialect: Dialect, vault: Vault): InventoryStore {
  const entriesOf = (rows: readonly Schema["inventory"][]) => readEntries(db, { dialect, vault }, rows);
  return {
    async record(sightings, now) {
      const pages = inPages(sightings);
      for (const page of pages) await atomically(db, (trx) => recordPage(trx, vault, page, now));
    },
    async list({ fingerprints, key, source, endsBefore } = {}) {
      if (fingerprints?.length === 0) return [];
      let query = db.selectFrom("inventory").selectAll().orderBy("notAfter").orderBy("fingerprint");
      if (key !== undefined) query = query.where("key", "=", key);
      if (fingerprints !== undefined) query = query.where("fingerprint", "in", fingerprints.slice(0, PAGE_ROWS));
      if (endsBefore !== undefined) query = query.where("notAfter", "<", endsBefore);
      if (source !== undefined)
        query = query.where((row) =>
          row.exists(
            row
              .selectFrom("inventoryPlaces")
              .select("inventoryPlaces.place")
              .whereRef("inventoryPlaces.fingerprint", "=", "inventory.fingerprint")
              .where("inventoryPlaces.source", "=", source),
          ),
        );
      return entriesOf(await query.limit(INVENTORY_MAX).execute());
    },
    async count() {
      const { rows } = await db
        .selectFrom("inventory")
        .select((row) => row.fn.countAll<number>().as("rows"))
        .executeTakeFirstOrThrow();
      return Number(rows);
    },
    async find(prefix) {
      const query = db.selectFrom("inventory").selectAll().where("fingerprint", ">=", prefix).orderBy("fingerprint");
      const rows = await query.where("fingerprint", "<", `${prefix}g`).limit(2).execute();
      return entriesOf(rows);
    },
    async ignore(fingerprint, ignored) {
      await changeSealed(db, vault, { table: "inventory", key: { fingerprint } }, (trx) =>
        trx
          .updateTable("inventory")
          .set({ ignored: ignored === null ? null : JSON.stringify(ignored) })
          .where("fingerprint", "=", fingerprint)
          .execute(),
      );
    },
    async announce(fingerprints, announced) {
      for (const fingerprint of fingerprints)
        await changeSealed(db, vault, { table: "inventory", key: { fingerprint } }, (trx) =>
          trx.updateTable("inventory").set({ announced }).where("fingerprint", "=", fingerprint).execute(),
        );
    },
    async forget(before) {
      await atomically(db, async (trx) => {
        await trx.deleteFrom("inventoryPlaces").where("lastSeen", "<", before).execute();
        await trx
          .deleteFrom("inventory")
          .where("lastSeen", "<", before)
          .where((row) =>
            row.not(
              row.exists(
                row
                  .selectFrom("inventoryPlaces")
                  .select("inventoryPlaces.place")
                  .whereRef("inventoryPlaces.fingerprint", "=", "inventory.fingerprint"),
              ),
            ),
          )
          .execute();
      });
    },
    claimRun: (now, everyMs) =>
      atomically(db, async (trx) => {
        const row = { name: SCHEDULE, value: String(now) };
        const first = trx
          .insertInto("meta")
          .values(row)
          .onConflict((conflict) => conflict.doNothing());
        if (Number((await first.executeTakeFirst()).numInsertedOrUpdatedRows) > 0) return true;
        const { value } = await trx
          .selectFrom("meta")
          .select("value")
          .where("name", "=", SCHEDULE)
          .executeTakeFirstOrThrow();
        const last = Number(value);
        // One in the future was written by a wrong clock.
        if (last <= now && now - last < everyMs) return false;
        const changed = trx.updateTable("meta").set(row).where("name", "=", SCHEDULE).where("value", "=", value);
        return Number((await changed.executeTakeFirst()).numUpdatedRows) > 0;
      }),
    async saveRun({ problems, ...run }) {
      const row = withSeal(vault, "discoveryRuns", { ...run, problems: JSON.stringify(problems) });
      await db
        .insertInto("discoveryRuns")
        .values(row)
        .onConflict((conflict) => conflict.column("source").doUpdateSet(row))
        .execute();
    },
    async runs() {
      const rows = await db.selectFrom("discoveryRuns").selectAll().orderBy("source").execute();
      return readEach(
        rows.filter((row) => isIntact(vault, "discoveryRuns", row)),
        ({ source, startedAt, finishedAt, found, problems }): SourceRun => ({
          ...{ source: sourceName.parse(source), startedAt, finishedAt, found },
          problems: readJson(namesJson, problems, `discovery run of ${source}`),
        }),
      );
    },
  };
}

/** By certificate, so that all sightings of one are in one transaction. */
function inPages(sightings: readonly Sighting[]): Sighting[][] {
  const pages: Sighting[][] = [];
  for (const group of Map.groupBy(sightings, ({ certificate }) => certificate.fingerprint).values()) {
    const bounded = group.slice(0, PLACES_MAX);
    const last = pages.at(-1);
    if (last !== undefined && last.length + bounded.length <= PAGE_ROWS) last.push(...bounded);
    else pages.push(bounded);
  }
  return pages;
}

async function recordPage(trx: Db, vault: Vault, page: readonly Sighting[], now: number): Promise<void> {
  const certificates = new Map(page.map(({ certificate }) => [certificate.fingerprint, certificate]));
  const fingerprints = [...certificates.keys()];
  // What somebody else wrote counts as never seen, and is written over.
  const known = new Map(
    (await trx.selectFrom("inventory").selectAll().where("fingerprint", "in", fingerprints).execute())
      .filter((row) => isIntact(vault, "inventory", row))
      .map((row) => [row.fingerprint, row]),
  );
  for (const { fingerprint, key, serial, notAfter, ...body } of certificates.values()) {
    const {
      firstSeen = now,
      lastSeen = now,
      ignored = null,
      announced = ANNOUNCED.nothing,
    } = known.get(fingerprint) ?? {};
    const seen = { firstSeen: Math.min(firstSeen, now), lastSeen: Math.max(lastSeen, now) };
    const kept = { ignored, announced };
    const row = { fingerprint, key, serial, notAfter, body: JSON.stringify(body), ...seen, ...kept };
    const sealed = withSeal(vault, "inventory", row);
    await trx
      .insertInto("inventory")
      .values(sealed)
      .onConflict((conflict) => conflict.column("fingerprint").doUpdateSet(sealed))
      .execute();
  }
  await recordPlaces(trx, vault, page, now);
}

async function recordPlaces(trx: Db, vault: Vault, page: readonly Sighting[], now: number): Promise<void> {
  const fingerprints = [...new Set(page.map(({ certificate }) => certificate.fingerprint))];
  const idOf = (row: { fingerprint: string; source: string; place: string }): string =>
    JSON.stringify([row.fingerprint, row.source, row.place]);
  const known = new Map(
    (await trx.selectFrom("inventoryPlaces").selectAll().where("fingerprint", "in", fingerprints).execute())
      .filter((row) => isIntact(vault, "inventoryPlaces", row))
      .map((row) => [idOf(row), row]),
  );
  for (const { certificate, place: found } of page) {
    const { source, place, endpoint, target } = found;
    const id = { fingerprint: certificate.fingerprint, source, place };
    const { firstSeen = now, lastSeen = now } = known.get(idOf(id)) ?? {};
    const seen = { firstSeen: Math.min(firstSeen, now), lastSeen: Math.max(lastSeen, now) };
    const row = withSeal(vault, "inventoryPlaces", { ...id, body: JSON.stringify({ endpoint, target }), ...seen });
    await trx
      .insertInto("inventoryPlaces")
      .values(row)
      .onConflict((conflict) => conflict.columns(["fingerprint", "source", "place"]).doUpdateSet(row))
      .execute();
  }
}

async function readEntries(
  db: Db,
  { dialect, vault }: { readonly dialect: Dialect; readonly vault: Vault },
  rows: readonly Schema["inventory"][],
): Promise<InventoryEntry[]> {
  const intact = rows.filter((row) => isIntact(vault, "inventory", row));
  const places = new Map<string, InventoryPlace[]>();
  const managed = new Map<string, string>();
  for (let from = 0; from < intact.length; from += PAGE_ROWS) {
    const page = intact.slice(from, from + PAGE_ROWS);
    await addPlaces(db, vault, page, places);
    const serials = page.map(({ serial }) => serial);
    const versions = await db
      .selectFrom("versions")
      .select(["certificate", "leaf"])
      .where(serialOf(dialect), "in", serials)
      .execute();
    for (const { certificate, leaf } of versions) {
      const { data } = leafFingerprint.safeParse(JSON.parse(leaf));
      if (data !== undefined) managed.set(data.fingerprint, certificate);
    }
  }
  return readEach(intact, (row): InventoryEntry => {
    const { fingerprint, key, serial, notAfter, body, firstSeen, lastSeen, ignored, announced } = row;
    const where = `inventory ${fingerprint}`;
    return {
      certificate: { fingerprint, key, serial, notAfter, ...readJson(foundJson, body, where) },
      ...{ firstSeen, lastSeen, announced: announcedNumber.parse(announced) },
      ignored: ignored === null ? null : readJson(ignoredJson, ignored, where),
      places: places.get(fingerprint) ?? [],
      managedAs: managed.get(fingerprint) ?? null,
    };
  });
}

const leafFingerprint = z.object({ fingerprint: z.string() });

async function addPlaces(
  db: Db,
  vault: Vault,
  page: readonly Schema["inventory"][],
  places: Map<string, InventoryPlace[]>,
): Promise<void> {
  const fingerprints = page.map(({ fingerprint }) => fingerprint);
  const query = db.selectFrom("inventoryPlaces").selectAll().where("fingerprint", "in", fingerprints);
  const rows = await query.orderBy("fingerprint").orderBy("source").orderBy("place").limit(PLACES_READ_MAX).execute();
  readEach(
    rows.filter((row) => isIntact(vault, "inventoryPlaces", row)),
    ({ fingerprint, source, place, body, firstSeen, lastSeen }) => {
      const found: InventoryPlace = {
        ...{ source: sourceName.parse(source), place, firstSeen, lastSeen },
        ...readJson(placeJson, body, `place ${place}`),
      };
      const known = places.get(fingerprint);
      if (known === undefined) places.set(fingerprint, [found]);
      else if (known.length < PLACES_MAX) known.push(found);
    },
  );
}

/** In `meta`: when the last scheduled run began. */
const SCHEDULE = "discovery run";

/** Of one page of certificates. */
const PLACES_READ_MAX = 50_000;
