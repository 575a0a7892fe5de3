import { z } from "zod";
import { EXERCISE_OUTCOMES, type Exercise, type ExerciseStore } from "../../domain/exercise.ts";
import { intactOnes, withSeal } from "../rowSeal.ts";
import type { Db, Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { readJson } from "./json.ts";

const RUNNING_MAX = 10;

const text = z.string().nullable();
const instant = z.number().nullable();
const bodyJson: z.ZodType<Omit<Exercise, "id" | "startedAt" | "finishedAt">> = z.object({
  ...{ certificate: z.string(), target: z.string(), generation: z.number(), by: text, withinMs: z.number() },
  ...{ brokenAt: instant, problem: text, alert: text, step: z.number(), notifiedAt: instant },
  ...{ acknowledgedAt: instant, acknowledgedBy: text, endedAt: instant },
  outcome: z.enum(EXERCISE_OUTCOMES).nullable(),
});

export function exerciseStore(db: Db, vault: Vault): ExerciseStore {
  const firstOf = async (
    page: (offset: number) => Promise<Schema["exercises"][]>,
    limit: number,
  ): Promise<Exercise[]> => readEach(await intactOnes(vault, "exercises", page, limit), toExercise);
  return {
    async save({ id, startedAt, finishedAt, ...body }) {
      const row = withSeal(vault, "exercises", { id, startedAt, finishedAt, body: JSON.stringify(body) });
      await db
        .insertInto("exercises")
        .values(row)
        .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
        .execute();
    },
    async list(limit) {
      const query = db.selectFrom("exercises").selectAll().orderBy("startedAt", "desc").orderBy("id").limit(limit);
      return firstOf((offset) => query.offset(offset).execute(), limit);
    },
    async running() {
      const running = db.selectFrom("exercises").selectAll().where("finishedAt", "is", null);
      const query = running.orderBy("startedAt").orderBy("id").limit(RUNNING_MAX);
      return firstOf((offset) => query.offset(offset).execute(), RUNNING_MAX);
    },
  };
}

function toExercise({ id, startedAt, finishedAt, body }: Schema["exercises"]): Exercise {
  return { id, startedAt, finishedAt, ...readJson(bodyJson, body, `exercise ${id}`) };
}
