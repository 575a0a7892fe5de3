import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  type Acknowledgement,
  type HealthStore,
  type Heartbeat,
  PROCESS_PROBLEMS,
  type ProcessProblem,
} from "../../domain/heartbeat.ts";
import { ROLES, type Role } from "../../domain/role.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import type { Db, Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { namesJson, readJson } from "./json.ts";

const INSTALLATION = "installation";

const problemsJson: z.ZodType<readonly ProcessProblem[]> = z.array(
  z.object({ kind: z.enum(PROCESS_PROBLEMS), message: z.string(), action: z.string(), since: z.number() }),
);
const roleText = z.enum(ROLES);
/** What somebody else wrote, or what is damaged, is left out: it must neither make status green nor stop it. */
export function healthStore(db: Db, vault: Vault): HealthStore {
  return {
    async installation() {
      const find = () => db.selectFrom("meta").select("value").where("name", "=", INSTALLATION).executeTakeFirst();
      const known = await find();
      if (known !== undefined) return known.value;
      await db
        .insertInto("meta")
        .values({ name: INSTALLATION, value: randomUUID() })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return (await find())?.value ?? "";
    },
    beat: (beats) => beat(db, vault, beats),
    async beats() {
      const rows = await db.selectFrom("heartbeats").selectAll().orderBy("role").orderBy("process").execute();
      return readEach(
        rows.filter((row) => isIntact(vault, "heartbeats", row)),
        toBeat,
      );
    },
    async forgetBeats({ before, after }) {
      await db
        .deleteFrom("heartbeats")
        .where((row) => row.or([row("beatAt", "<", before), row("beatAt", ">", after)]))
        .execute();
    },
    async acknowledge({ kinds, ...acknowledgement }) {
      const row = withSeal(vault, "acknowledgements", { ...acknowledgement, kinds: JSON.stringify(kinds) });
      await db
        .insertInto("acknowledgements")
        .values(row)
        .onConflict((conflict) => conflict.column("subject").doUpdateSet(row))
        .execute();
    },
    async withdraw(subject) {
      const result = await db.deleteFrom("acknowledgements").where("subject", "=", subject).executeTakeFirst();
      return result.numDeletedRows > 0n;
    },
    async acknowledgements(now) {
      const rows = await db
        .selectFrom("acknowledgements")
        .selectAll()
        .where("until", ">", now)
        .orderBy("subject")
        .execute();
      return readEach(
        rows.filter((row) => isIntact(vault, "acknowledgements", row)),
        ({ seal: _, ...row }): Acknowledgement => ({
          ...row,
          kinds: readJson(namesJson, row.kinds, `acknowledgement of ${row.subject}`),
        }),
      );
    },
  };
}

async function beat(db: Db, vault: Vault, beats: readonly Heartbeat[]): Promise<void> {
  if (beats.length === 0) return;
  await db
    .insertInto("heartbeats")
    .values(
      beats.map(({ targets, vantage, problems, ...rest }) => {
        const row = {
          ...rest,
          targets: JSON.stringify(partsOf(rest.role, targets, vantage)),
          problems: JSON.stringify(problems),
        };
        return withSeal(vault, "heartbeats", row);
      }),
    )
    .onConflict((conflict) =>
      conflict.columns(["process", "role"]).doUpdateSet((row) => ({
        host: row.ref("excluded.host"),
        version: row.ref("excluded.version"),
        digest: row.ref("excluded.digest"),
        configFile: row.ref("excluded.configFile"),
        targets: row.ref("excluded.targets"),
        startedAt: row.ref("excluded.startedAt"),
        beatAt: row.ref("excluded.beatAt"),
        usefulAt: row.ref("excluded.usefulAt"),
        stoppedAt: row.ref("excluded.stoppedAt"),
        problems: row.ref("excluded.problems"),
        seal: row.ref("excluded.seal"),
      })),
    )
    .execute();
}

/**
 * Which part of its role's work a process does: a deployer's targets or a verifier's vantage. One column has both, so
 * that the seals of earlier releases stay valid.
 */
function partsOf(role: Role, targets: readonly string[], vantage: string | null): readonly string[] {
  return role === "verifier" ? [vantage].filter((each) => each !== null) : targets;
}

function toBeat({ seal: _, ...row }: Schema["heartbeats"]): Heartbeat {
  const where = `report of ${row.process}`;
  const role = readJson(roleText, JSON.stringify(row.role), where);
  const parts = readJson(namesJson, row.targets, where);
  return {
    ...row,
    role,
    targets: role === "verifier" ? [] : parts,
    vantage: (role === "verifier" ? parts[0] : null) ?? null,
    problems: readJson(problemsJson, row.problems, where),
  };
}
