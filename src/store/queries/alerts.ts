import { z } from "zod";
import {
  ALERT_RULES,
  type Alert,
  type AlertReceipt,
  type AlertState,
  type AlertStore,
  NEW_ALERT_STATE,
} from "../../domain/alert.ts";
import { SEVERITIES } from "../../domain/notification.ts";
import { intactOnes, isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { readJson } from "./json.ts";

const OPEN_MAX = 10_000;

const severity = z.enum(SEVERITIES);
type Body = Omit<Alert, "id" | "rule" | "cause" | "openedAt" | "resolvedAt">;
const bodyJson: z.ZodType<Body> = z.object({
  place: z.object({
    issuer: z.string().nullable(),
    solver: z.string().nullable(),
    target: z.string().nullable(),
    subject: z.string().nullable(),
  }),
  code: z.string().nullable(),
  severity,
  what: z.string(),
  action: z.string().nullable(),
  members: z.array(
    z.object({ certificate: z.string(), level: z.number(), isLast: z.boolean(), expiresAt: z.number().nullable() }),
  ),
  affected: z.array(z.string()),
  level: z.number(),
  isLast: z.boolean(),
  firstBadAt: z.number(),
  lastBadAt: z.number(),
  healthySince: z.number().nullable(),
  notifiedAt: z.number().nullable(),
  notified: z.object({ severity, level: z.number(), members: z.number() }).nullable(),
  digested: z.boolean(),
  channels: z.array(z.string()),
  step: z.number(),
  acknowledgement: z
    .object({
      by: z.string().nullable(),
      reason: z.string(),
      at: z.number(),
      via: z.enum(["terminal", "page", "api", "link"]),
    })
    .nullable(),
  acknowledgements: z.number(),
  changed: z.array(z.string()),
});
const ruleText = z.enum(ALERT_RULES);
const stateJson: z.ZodType<AlertState> = z.object({
  seq: z.number().nullable(),
  judgedAt: z.number(),
  scannedAt: z.number(),
  recent: z.array(z.number()),
  definitions: z.record(z.string(), z.string()),
  selfTests: z.record(z.string(), z.object({ at: z.number(), error: z.string().nullable() })),
  canaryAt: z.number().nullable(),
  // Releases before weekly reports wrote none.
  reportAt: z.number().nullable().default(null),
});
const outcomeText = z.enum(["sent", "givenUp"]);

/** A row that somebody else wrote is no alert: an acknowledgement must not be planted. */
export function alertStore(db: Db, vault: Vault): AlertStore {
  const toAlerts = (rows: readonly Schema["alerts"][]): Alert[] =>
    readEach(
      rows.filter((row) => isIntact(vault, "alerts", row)),
      toAlert,
    );
  const firstOf = async (page: (offset: number) => Promise<Schema["alerts"][]>, limit: number): Promise<Alert[]> =>
    readEach(await intactOnes(vault, "alerts", page, limit), toAlert);
  const state = async (): Promise<AlertState> => {
    const rows = await db.selectFrom("alertStates").selectAll().where("id", "=", 1).execute();
    // One that is damaged, or that somebody moved, begins again: what is wrong is found again, and notified of twice at
    // worst.
    const intact = rows.filter((row) => isIntact(vault, "alertStates", row));
    const [read = NEW_ALERT_STATE] = readEach(intact, ({ body }) => readJson(stateJson, body, "alert state"));
    return read;
  };
  return {
    async lock() {
      await db
        .insertInto("alertStates")
        .values(withSeal(vault, "alertStates", { id: 1, body: JSON.stringify(NEW_ALERT_STATE) }))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      // On PostgreSQL others wait here; on SQLite there is one writer.
      await db
        .updateTable("alertStates")
        .set((row) => ({ body: row.ref("body") }))
        .where("id", "=", 1)
        .execute();
      return state();
    },
    state,
    async saveState(next) {
      const { body, seal } = withSeal(vault, "alertStates", { id: 1, body: JSON.stringify(next) });
      await db.updateTable("alertStates").set({ body, seal }).where("id", "=", 1).execute();
    },
    async list({ all, limit }) {
      let query = db.selectFrom("alerts").selectAll().orderBy("openedAt", "desc").orderBy("id").limit(limit);
      if (!all) query = query.where("resolvedAt", "is", null);
      return firstOf((offset) => query.offset(offset).execute(), limit);
    },
    async open() {
      const open = db.selectFrom("alerts").selectAll().where("resolvedAt", "is", null);
      const query = open.orderBy("openedAt").orderBy("id").limit(OPEN_MAX);
      return firstOf((offset) => query.offset(offset).execute(), OPEN_MAX);
    },
    async get(id) {
      return toAlerts(await db.selectFrom("alerts").selectAll().where("id", "=", id).execute())[0] ?? null;
    },
    async save({ id, rule, cause, openedAt, resolvedAt, ...body }) {
      const row = withSeal(vault, "alerts", { id, rule, cause, openedAt, resolvedAt, body: JSON.stringify(body) });
      await db
        .insertInto("alerts")
        .values(row)
        .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
        .execute();
    },
    async lastRaised() {
      const rows = await db
        .selectFrom("alerts")
        .select((row) => ["rule", row.fn.max("openedAt").as("at")])
        .groupBy("rule")
        .execute();
      return new Map(rows.map(({ rule, at }) => [rule, Number(at)]));
    },
    async receipt(channel, seq) {
      const one = db.selectFrom("alertReceipts").selectAll().where("channel", "=", channel).where("seq", "=", seq);
      return (await one.execute()).map(toReceipt)[0] ?? null;
    },
    async receipts({ alerts, limit }) {
      if (alerts?.length === 0) return [];
      const query = db.selectFrom("alertReceipts").selectAll().orderBy("seq", "desc").orderBy("channel").limit(limit);
      const rows = await (alerts === undefined ? query : query.where("alert", "in", alerts)).execute();
      return rows.map(toReceipt).reverse();
    },
    async record(receipt) {
      await db
        .insertInto("alertReceipts")
        .values(receipt)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    forget: (before) =>
      atomically(db, async (trx) => {
        await trx.deleteFrom("alerts").where("resolvedAt", "<", before).execute();
        await trx.deleteFrom("alertReceipts").where("at", "<", before).execute();
      }),
    sign: (text) => vault.authenticate(`alert link ${text}`),
  };
}

function toAlert({ id, rule, cause, openedAt, resolvedAt, body }: Schema["alerts"]): Alert {
  const known = readJson(ruleText, JSON.stringify(rule), `alert ${id}`);
  return { id, rule: known, cause, openedAt, resolvedAt, ...readJson(bodyJson, body, `alert ${id}`) };
}

function toReceipt({ outcome, ...row }: Schema["alertReceipts"]): AlertReceipt {
  return { ...row, outcome: outcomeText.catch("sent").parse(outcome) };
}
