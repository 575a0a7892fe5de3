import { z } from "zod";
import { HORIZON_KINDS, type HorizonEntry, type HorizonStore } from "../../domain/horizon.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { readJson } from "./json.ts";

const text = z.string().nullable();
const instant = z.number().nullable();
const bodyJson: z.ZodType<Omit<HorizonEntry, "subject" | "what">> = z.object({
  kind: z.enum(HORIZON_KINDS),
  ...{ owner: text, runbook: text, note: text, problem: text, ends: instant, begins: instant, checkedAt: z.number() },
});

export function horizonStore(db: Db, vault: Vault): HorizonStore {
  return {
    replace: (subject, entries) =>
      atomically(db, async (trx) => {
        await trx.deleteFrom("horizon").where("subject", "=", subject).execute();
        const rows = entries.map(({ subject: of, what, ...body }) =>
          withSeal(vault, "horizon", { subject: of, what, body: JSON.stringify(body) }),
        );
        if (rows.length > 0) await trx.insertInto("horizon").values(rows).execute();
      }),
    async list() {
      const rows = await db.selectFrom("horizon").selectAll().orderBy("subject").orderBy("what").execute();
      const intact = rows.filter((row) => isIntact(vault, "horizon", row));
      const end = ({ ends }: HorizonEntry): number => ends ?? Number.POSITIVE_INFINITY;
      // Two without an end keep their order: their difference is no number.
      return readEach(intact, toEntry).toSorted((a, b) => (end(a) === end(b) ? 0 : end(a) - end(b)));
    },
    async keep(subjects) {
      const rows = await db.selectFrom("horizon").select("subject").distinct().execute();
      const gone = rows.map(({ subject }) => subject).filter((subject) => !subjects.includes(subject));
      for (const subject of gone) await db.deleteFrom("horizon").where("subject", "=", subject).execute();
    },
  };
}

function toEntry({ subject, what, body }: Schema["horizon"]): HorizonEntry {
  return { subject, what, ...readJson(bodyJson, body, `horizon ${subject}`) };
}
