import { z } from "zod";
import { type Endpoint, endpointPlace, PROXY_PROTOCOLS, STARTTLS_PROTOCOLS } from "../../domain/endpoint.ts";
import { CRITICALITIES, type Responsibility } from "../../domain/responsibility.ts";
import {
  WATCH_ORIGINS,
  WATCH_STATES,
  type WatchDefinition,
  type WatchedEndpoint,
  type WatchedStore,
  type WatchLook,
} from "../../domain/watched.ts";
import { intactOnes, isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { observationJson, readJson } from "./json.ts";

type Row = Schema["watchedEndpoints"];

/** SQLite takes 32,766 parameters in one statement. */
const ROWS_MAX = 500;
const LIST_MAX = 100_000;

const endpointJson: z.ZodType<Endpoint> = z.object({
  host: z.string(),
  port: z.number(),
  sni: z.string(),
  target: z.string().nullable(),
  starttls: z.enum(STARTTLS_PROTOCOLS).exactOptional(),
  proxyProtocol: z.enum(PROXY_PROTOCOLS).exactOptional(),
  alpn: z.array(z.string()).exactOptional(),
  handshakeTimeoutMs: z.number().exactOptional(),
  vantage: z.string().exactOptional(),
});

const responsibilityJson: z.ZodType<Responsibility> = z.object({
  owner: z.string().nullable(),
  team: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  criticality: z.enum(CRITICALITIES),
  runbook: z.string().nullable(),
});

const definitionJson: z.ZodType<WatchDefinition> = z.object({
  key: z.string(),
  origin: z.enum(WATCH_ORIGINS),
  endpoint: endpointJson,
  expects: z.object({ minLeftMs: z.number().nullable(), trusted: z.boolean() }),
  responsibility: responsibilityJson,
  foundBy: z.array(z.string()),
});

const problemJson = z.object({ code: z.string(), message: z.string() }).nullable();

const lookJson: z.ZodType<WatchLook> = z.object({
  at: z.number(),
  state: z.enum(WATCH_STATES),
  problem: problemJson,
  expiresAt: z.number().nullable(),
  since: z.number(),
  addresses: z.array(z.object({ observation: observationJson, state: z.enum(WATCH_STATES) })),
});

export function watchedStore(db: Db, vault: Vault): WatchedStore {
  const read = (rows: readonly Row[]): WatchedEndpoint[] =>
    readEach(
      rows.filter((row) => isIntact(vault, "watchedEndpoints", row)),
      toWatched,
    );
  const all = () => db.selectFrom("watchedEndpoints").selectAll();
  return {
    configure: (definitions, now) => atomically(db, (trx) => configure(trx, vault, definitions, now)),
    addFound: (definitions, now) => atomically(db, (trx) => addFound(trx, vault, definitions, now)),
    async remove(key) {
      const { numDeletedRows } = await db.deleteFrom("watchedEndpoints").where("key", "=", key).executeTakeFirst();
      return numDeletedRows > 0n;
    },
    async get(key) {
      return read(await all().where("key", "=", key).execute())[0] ?? null;
    },
    async list({ after = "", limit = LIST_MAX } = {}) {
      const rows = all().where("key", ">", after).orderBy("key").limit(limit);
      const page = (offset: number) => rows.offset(offset).execute();
      return readEach(await intactOnes(vault, "watchedEndpoints", page, limit), toWatched);
    },
    claim: ({ now, nextAt, limit, vantage = "" }) =>
      atomically(db, async (trx) => {
        const due = trx.selectFrom("watchedEndpoints").selectAll().where("nextLookAt", "<=", now);
        const mine = due.where((row) => row.or([row("vantage", "is", null), row("vantage", "=", vantage)]));
        const rows = await mine.orderBy("nextLookAt").orderBy("key").limit(Math.min(limit, ROWS_MAX)).execute();
        if (rows.length === 0) return [];
        // Of two processes that read the same rows, the second finds them put off.
        const keys = rows.map(({ key }) => key);
        const put = trx.updateTable("watchedEndpoints").set({ nextLookAt: nextAt }).where("key", "in", keys);
        const taken = await put.where("nextLookAt", "<=", now).returning("key").execute();
        const got = new Set(taken.map(({ key }) => key));
        return read(rows.filter(({ key }) => got.has(key)));
      }),
    record: (looks) =>
      atomically(db, async (trx) => {
        for (const { watched, look, nextLookAt } of looks) {
          const row = rowOf(vault, watched, look, nextLookAt);
          const one = trx.updateTable("watchedEndpoints").where("key", "=", watched.key);
          await one
            .where("definition", "=", row.definition)
            .set({ look: row.look, nextLookAt, seal: row.seal })
            .execute();
        }
      }),
    async bringForward(by) {
      await db.updateTable("watchedEndpoints").set({ nextLookAt: by }).where("nextLookAt", ">", by).execute();
    },
    async overdue(before) {
      const { count, since } = await db
        .selectFrom("watchedEndpoints")
        .select((row) => [row.fn.countAll<number>().as("count"), row.fn.min("nextLookAt").as("since")])
        .where("nextLookAt", "<", before)
        .executeTakeFirstOrThrow();
      return since === null ? null : { count: Number(count), since: Number(since) };
    },
  };
}

function toWatched({ key, definition, look, nextLookAt }: Row): WatchedEndpoint {
  return {
    ...readJson(definitionJson, definition, `watched endpoint ${key}`),
    look: look === null ? null : readJson(lookJson, look, `look at ${key}`),
    nextLookAt,
  };
}

function rowOf(vault: Vault, definition: WatchDefinition, look: WatchLook | null, nextLookAt: number) {
  const { key, origin, endpoint, expects, responsibility, foundBy } = definition;
  return withSeal(vault, "watchedEndpoints", {
    ...{ key, origin, place: endpointPlace(endpoint), vantage: endpoint.vantage ?? null, nextLookAt },
    definition: JSON.stringify({ key, origin, endpoint, expects, responsibility, foundBy }),
    look: look === null ? null : JSON.stringify(look),
  });
}

async function insert(trx: Db, rows: readonly Row[]): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS_MAX) {
    const page = rows.slice(from, from + ROWS_MAX);
    await trx
      .insertInto("watchedEndpoints")
      .values(page)
      // Two processes that start at once configure the same.
      .onConflict((conflict) =>
        conflict.column("key").doUpdateSet((row) => ({
          origin: row.ref("excluded.origin"),
          place: row.ref("excluded.place"),
          vantage: row.ref("excluded.vantage"),
          definition: row.ref("excluded.definition"),
          look: row.ref("excluded.look"),
          nextLookAt: row.ref("excluded.nextLookAt"),
          seal: row.ref("excluded.seal"),
        })),
      )
      .execute();
  }
}

async function remove(trx: Db, keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += ROWS_MAX)
    await trx
      .deleteFrom("watchedEndpoints")
      .where("key", "in", keys.slice(from, from + ROWS_MAX))
      .execute();
}

async function configure(trx: Db, vault: Vault, definitions: readonly WatchDefinition[], now: number) {
  const before = new Map((await trx.selectFrom("watchedEndpoints").selectAll().execute()).map((row) => [row.key, row]));
  const wanted = new Map(definitions.map((each) => [each.key, rowOf(vault, each, null, now)]));
  const places = new Set([...wanted.values()].map(({ place }) => place));
  const isSame = (row: Row): boolean =>
    before.get(row.key)?.definition === row.definition &&
    isIntact(vault, "watchedEndpoints", { ...before.get(row.key), seal: before.get(row.key)?.seal ?? null });
  const fresh = [...wanted.values()].filter((row) => !isSame(row));
  const left = [...before.values()].filter(({ key, origin, place }) =>
    origin === "found" ? places.has(place) : !wanted.has(key),
  );
  await remove(
    trx,
    left.map(({ key }) => key),
  );
  await insert(trx, fresh);
  return {
    added: fresh.flatMap(({ key }) => (before.has(key) ? [] : [key])),
    changed: fresh.flatMap(({ key }) => (before.has(key) ? [key] : [])),
    removed: left.map(({ key }) => key),
  };
}

async function addFound(trx: Db, vault: Vault, definitions: readonly WatchDefinition[], now: number) {
  const rows = new Map(definitions.map((each) => rowOf(vault, each, null, now)).map((row) => [row.place, row]));
  const known = new Set<string>();
  const places = [...rows.keys()];
  for (let from = 0; from < places.length; from += ROWS_MAX) {
    const page = places.slice(from, from + ROWS_MAX);
    const found = trx.selectFrom("watchedEndpoints").select("place").where("place", "in", page);
    for (const { place } of await found.execute()) known.add(place);
  }
  const fresh = [...rows.values()].filter(({ place }) => !known.has(place));
  await insert(trx, fresh);
  return fresh.map(({ key }) => key);
}
