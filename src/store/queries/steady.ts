import { hash } from "node:crypto";
import { z } from "zod";
import type { SteadyMembers, SteadyPart, SteadyStore, StoredPart, SuspectTerms } from "../../domain/steady.ts";
import { NAMES_MAX } from "../../domain/store.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readJson } from "./json.ts";
import { IS_ACTIVE } from "./renewalLists.ts";

type Body = Omit<StoredPart, "after" | "last" | "checkedAt">;

const endJson: z.ZodType<readonly [string, number]> = z.tuple([z.string(), z.number()]);
const bodyJson: z.ZodType<Body> = z.object({
  seq: z.number(),
  release: z.string(),
  vantages: z.array(z.string()),
  steady: z.object({ provedLive: z.number(), notProved: z.number(), soonest: endJson.nullable() }),
  others: z.array(z.string()),
  membersDigest: z.string(),
});

export function steadyStore(db: Db, vault: Vault): SteadyStore {
  return {
    save: (part, members) => atomically(db, (trx) => save(trx, vault, part, members)),
    known: () => db.selectFrom("steadyParts").select(["after", "last", "checkedAt"]).orderBy("after").execute(),
    list: () => list(db, vault),
    members: (parts) => readMembers(db, parts),
    async changedSince(seq) {
      const rows = await db
        .selectFrom("events")
        .select(["certificate", "seq"])
        .where("seq", ">", seq)
        .orderBy("seq")
        .execute();
      return new Map(rows.flatMap(({ certificate, seq: last }) => (certificate === null ? [] : [[certificate, last]])));
    },
    suspects: (terms) => suspects(db, terms),
    async oldestProofs(from, limit) {
      const rows = await db
        .selectFrom("endpointStatuses")
        .select(["certificate", "roundEndedAt"])
        .where("proved", "=", 1)
        .where("roundEndedAt", ">=", from)
        .orderBy("roundEndedAt")
        .limit(limit)
        .execute();
      return rows.map(({ certificate, roundEndedAt }) => ({ certificate, at: roundEndedAt ?? from }));
    },
  };
}

async function save(
  trx: Db,
  vault: Vault,
  { after, last, checkedAt, ...part }: SteadyPart,
  lists: SteadyMembers,
): Promise<void> {
  const within = trx.deleteFrom("steadyParts").where("after", ">=", after);
  await (last === null ? within : within.where("after", "<", last)).execute();
  const members = JSON.stringify(lists);
  const body: Body = { ...part, membersDigest: digestOf(members) };
  const row = { after, last, checkedAt, body: JSON.stringify(body), members };
  await trx
    .insertInto("steadyParts")
    .values(withSeal(vault, "steadyParts", row))
    .execute();
}

async function list(db: Db, vault: Vault): Promise<StoredPart[]> {
  const columns = ["after", "last", "checkedAt", "body", "seal"] as const;
  const rows = await db.selectFrom("steadyParts").select(columns).orderBy("after").execute();
  return rows
    .filter((row) => isIntact(vault, "steadyParts", row))
    .map(({ after, last, checkedAt, body }) => ({
      ...{ after, last, checkedAt },
      ...readJson(bodyJson, body, `what was found behind ${after}`),
    }));
}

/** No seal is over a list, but over its digest: renewd wrote what has it. */
async function readMembers(db: Db, parts: readonly StoredPart[]): Promise<ReadonlyMap<string, SteadyMembers>> {
  const digests = new Map(parts.map(({ after, membersDigest }) => [after, membersDigest]));
  const found = new Map<string, SteadyMembers>();
  const wanted = [...digests.keys()];
  for (let from = 0; from < wanted.length; from += NAMES_MAX) {
    const rows = await db
      .selectFrom("steadyParts")
      .select(["after", "members"])
      .where("after", "in", wanted.slice(from, from + NAMES_MAX))
      .execute();
    for (const { after, members } of rows)
      if (digestOf(members) === digests.get(after)) found.set(after, JSON.parse(members));
  }
  return found;
}

function digestOf(members: string): string {
  return hash("sha256", members, "base64");
}

/** Each a look along one table that answers with few rows. Those of certificates that have left are among them. */
async function suspects(db: Db, { checkDueBefore, proofsFrom }: SuspectTerms): Promise<string[]> {
  const certificates = await db
    .selectFrom("certificates")
    .select("name as certificate")
    .where(({ or, eb }) =>
      or([
        // It may be configured all the same: a planner of another file has taken it away.
        eb("removedAt", "is not", null),
        eb("failures", ">", 0),
        eb("pausedAt", "is not", null),
        eb("restoredAt", "is not", null),
        eb("planErrorCode", "is not", null),
        eb("rehearsalProblem", "is not", null),
        eb("nextCheckAt", "is", null),
        eb("nextCheckAt", "<", checkDueBefore),
      ]),
    )
    .execute();
  const renewals = await db.selectFrom("renewals").select("certificate").where(IS_ACTIVE).execute();
  const deployments = await db
    .selectFrom("deployments")
    .select("certificate")
    .where(({ or, eb }) =>
      or([
        eb("errorCode", "is not", null),
        eb("inspectionProblem", "is not", null),
        eb("deployedGeneration", "<", eb.ref("wantedGeneration")),
      ]),
    )
    .execute();
  const endpoints = await db
    .selectFrom("endpointStatuses")
    .select("certificate")
    .where(({ or, eb }) =>
      or([
        eb("proved", "=", 0),
        eb("errorCode", "is not", null),
        eb("roundEndedAt", "is", null),
        eb("roundEndedAt", "<", proofsFrom),
      ]),
    )
    .execute();
  const windows = await db
    .selectFrom("renewalInfos")
    .select("certificate")
    .where(({ or, eb }) => or([eb("explanationUrl", "is not", null), eb("overdueInRow", ">", 0)]))
    .execute();
  return [...certificates, ...renewals, ...deployments, ...endpoints, ...windows].map(({ certificate }) => certificate);
}
