import { z } from "zod";
import { DRILL_SCENARIOS, type Drill, type DrillStore } from "../../domain/drill.ts";
import { intactOnes, withSeal } from "../rowSeal.ts";
import type { Db, Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { readJson } from "./json.ts";

const RUNNING_MAX = 100;

const instant = z.number().nullable();
const bodyJson: z.ZodType<Pick<Drill, "scenario" | "members">> = z.object({
  scenario: z.enum(DRILL_SCENARIOS),
  members: z.array(
    z.object({
      ...{ certificate: z.string(), generation: z.number() },
      ...{ detected: instant, issued: instant, deployed: instant, proved: instant },
    }),
  ),
});

export function drillStore(db: Db, vault: Vault): DrillStore {
  const firstOf = async (page: (offset: number) => Promise<Schema["drills"][]>, limit: number): Promise<Drill[]> =>
    readEach(await intactOnes(vault, "drills", page, limit), toDrill);
  return {
    async save({ id, startedAt, finishedAt, ...body }) {
      const row = withSeal(vault, "drills", { id, startedAt, finishedAt, body: JSON.stringify(body) });
      await db
        .insertInto("drills")
        .values(row)
        .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
        .execute();
    },
    async list(limit) {
      const query = db.selectFrom("drills").selectAll().orderBy("startedAt", "desc").orderBy("id").limit(limit);
      return firstOf((offset) => query.offset(offset).execute(), limit);
    },
    async running() {
      const running = db.selectFrom("drills").selectAll().where("finishedAt", "is", null);
      const query = running.orderBy("startedAt").orderBy("id").limit(RUNNING_MAX);
      return firstOf((offset) => query.offset(offset).execute(), RUNNING_MAX);
    },
  };
}

function toDrill({ id, startedAt, finishedAt, body }: Schema["drills"]): Drill {
  return { id, startedAt, finishedAt, ...readJson(bodyJson, body, `drill ${id}`) };
}
