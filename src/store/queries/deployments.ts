import type { Selectable } from "kysely";
import { ALTERED_DEPLOYMENT, type Deployment, type DeployReceipt, deploymentId } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import { isClaimable } from "../../domain/lease.ts";
import type { DeploymentStore, InspectionPage } from "../../domain/store.ts";
import { changeSealed, isIntact, patchSealed, SEALED, sealOfRow, sealReturned, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { readJson, receiptJson } from "./json.ts";

const SEALED_COLUMNS: ReadonlySet<string> = new Set(SEALED.deployments.columns);

export function deploymentStore(db: Db, vault: Vault): DeploymentStore {
  const toDeployment = (row: Row): Deployment => asDeployment(vault, row);
  const get = async (certificate: string, target: string): Promise<Deployment | null> => {
    const row = await find(db, certificate, target);
    return row === undefined ? null : toDeployment(row);
  };
  return {
    async list(certificate) {
      return (
        await db
          .selectFrom("deployments")
          .selectAll()
          .where("certificate", "=", certificate)
          .orderBy("target")
          .execute()
      ).map(toDeployment);
    },
    async listAll(names) {
      const query = db.selectFrom("deployments").selectAll().orderBy("certificate").orderBy("target");
      const rows = await (names === undefined ? query : query.where("certificate", "in", names)).execute();
      return rows.map(toDeployment);
    },
    received: () =>
      db.selectFrom("deployments").select(["certificate", "target"]).where("receipt", "is not", null).execute(),
    async withoutDefinition() {
      const query = db.selectFrom("deployments").selectAll().orderBy("certificate").orderBy("target");
      const rows = await query.where("targetDigest", "is", null).where("deployedGeneration", ">", 0).execute();
      return rows.map(toDeployment);
    },
    get,
    async receipt(certificate, target) {
      const row = await find(db, certificate, target);
      if (row === undefined) return null;
      if (isIntact(vault, "deployments", row)) return receiptOf(row);
      throw new RenewalError("store.altered", `target ${target} of ${certificate} ${ALTERED_DEPLOYMENT}`);
    },
    want: (certificate, targets, generation) =>
      atomically(db, (trx) => want({ trx, vault }, certificate, targets, generation)),
    /** The receipt stays: it names what the deployer created there, such as an ARN. */
    async forget(certificate, target) {
      await changeSealed(db, vault, { table: "deployments", key: { certificate, target } }, (trx) =>
        trx
          .updateTable("deployments")
          // A deployment that runs now must not record success: its target or pair is no longer the wanted one.
          .set((current) => ({
            ...{ deployedGeneration: 0, deployedAt: null, openClaims: 0 },
            fence: current("fence", "+", 1),
          }))
          .where("certificate", "=", certificate)
          .where("target", "=", target)
          .execute(),
      );
    },
    async claim(certificate, target, now, leaseMs, known) {
      const seen = known ?? (await get(certificate, target));
      if (seen === null || seen.isAltered || !isClaimable(seen, deploymentId(seen), now, leaseMs)) return null;
      const row = await db
        .updateTable("deployments")
        .set((current) => ({
          fence: current("fence", "+", 1),
          openClaims: current("openClaims", "+", 1),
          leaseUntil: now + leaseMs,
        }))
        .where("certificate", "=", certificate)
        .where("target", "=", target)
        .where("fence", "=", seen.fence)
        .where("leaseUntil", seen.leaseUntil === null ? "is" : "=", seen.leaseUntil)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? null : toDeployment(row);
    },
    async update(certificate, target, fence, patch) {
      const { exhausted, receipt, ...columns } = patch;
      const deployed = patch.deployedGeneration !== undefined;
      const stored = { ...columns, ...(receipt !== undefined && { receipt: JSON.stringify(receipt) }) };
      const write = async (to: Db, seal: { readonly seal?: string } = {}): Promise<boolean> => {
        const result = await to
          .updateTable("deployments")
          .set({ ...stored, ...seal, fence })
          .$if(exhausted !== undefined, (query) => query.set({ exhausted: exhausted ? 1 : 0 }))
          .$if(deployed, (query) => query.set({ nextInspectionAt: null }))
          .where("certificate", "=", certificate)
          .where("target", "=", target)
          .where("fence", "=", fence)
          .executeTakeFirst();
        return result.numUpdatedRows === 1n;
      };
      const sealed = Object.keys(patch).some((column) => SEALED_COLUMNS.has(column));
      return sealed
        ? patchSealed(db, vault, { table: "deployments", key: { certificate, target } }, stored, write)
        : write(db);
    },
    async recordDeployed({ certificate, target, fence, wantedGeneration }, { deployedAt, targetDigest, receipt }) {
      // All that the seal covers is known, so nothing is read.
      const done = {
        deployedGeneration: wantedGeneration,
        ...{ deployedAt, targetDigest, receipt: JSON.stringify(receipt) },
      };
      const seal = sealOfRow(vault, "deployments", { certificate, target, wantedGeneration, ...done });
      const result = await db
        .updateTable("deployments")
        .set({ ...done, seal, ...CLEARED, leaseUntil: null, nextInspectionAt: null })
        .where("certificate", "=", certificate)
        .where("target", "=", target)
        .where("fence", "=", fence)
        .where("wantedGeneration", "=", wantedGeneration)
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
    async offer(certificate, targets, now) {
      if (targets.length === 0) return;
      await db
        .updateTable("deployments")
        .set({ nextAttemptAt: now })
        .where("certificate", "=", certificate)
        .where("target", "in", targets)
        .where("nextAttemptAt", "is", null)
        .execute();
    },
    async remove(certificate, target) {
      await db.deleteFrom("deployments").where("certificate", "=", certificate).where("target", "=", target).execute();
    },
    claimInspections: async (page) => (await claimInspections(db, page)).map(toDeployment),
    async inspectBy(certificate, at) {
      await db
        .updateTable("deployments")
        .set({ nextInspectionAt: at })
        .where("certificate", "=", certificate)
        .where("nextInspectionAt", ">", at)
        .execute();
    },
    async inspectedAfter(names, at) {
      const query = db.selectFrom("deployments").select("certificate").distinct().where("certificate", "in", names);
      return (await query.where("nextInspectionAt", ">", at).execute()).map(({ certificate }) => certificate);
    },
  };
}

async function claimInspections(db: Db, { targets, now, nextAt, limit }: InspectionPage): Promise<Row[]> {
  if (targets.length === 0) return [];
  const never = await toInspect(db, targets, null, limit).execute();
  const overdue = never.length < limit ? await toInspect(db, targets, now, limit - never.length).execute() : [];
  const due = [...never, ...overdue];
  const claimed: Row[] = [];
  for (const row of due) {
    const { numUpdatedRows } = await db
      .updateTable("deployments")
      .set({ nextInspectionAt: nextAt })
      .where("certificate", "=", row.certificate)
      .where("target", "=", row.target)
      // Compare-and-set: of two that saw the same instant, one gets it.
      .where("nextInspectionAt", row.nextInspectionAt === null ? "is" : "=", row.nextInspectionAt)
      .executeTakeFirst();
    if (numUpdatedRows === 1n) claimed.push(row);
  }
  return claimed;
}

/**
 * Due at this instant; null: never inspected. Two searches, because SQLite walks the whole index for an OR. Exported so
 * that a test can check its query plan.
 */
export function toInspect(db: Db, targets: readonly string[], by: number | null, limit: number) {
  return (
    db
      .selectFrom("deployments")
      .selectAll()
      .where("target", "in", targets)
      // What renewd never put there itself has no receipt.
      .where("receipt", "is not", null)
      .where("deployedGeneration", ">", 0)
      .whereRef("deployedGeneration", "=", "wantedGeneration")
      .where("nextInspectionAt", by === null ? "is" : "<=", by)
      .orderBy("nextInspectionAt")
      .limit(limit)
  );
}

function find(db: Db, certificate: string, target: string): Promise<Row | undefined> {
  return db
    .selectFrom("deployments")
    .selectAll()
    .where("certificate", "=", certificate)
    .where("target", "=", target)
    .executeTakeFirst();
}

/** Nothing of earlier attempts is left. */
const CLEARED = { openClaims: 0, nextAttemptAt: null, exhausted: 0, errorCode: null, errorMessage: null } as const;

async function want(
  { trx, vault }: { readonly trx: Db; readonly vault: Vault },
  certificate: string,
  targets: readonly string[],
  generation: number,
): Promise<string[]> {
  // In order, so that two processes cannot deadlock.
  const names = [...new Set(targets)].sort();
  const nothing = {
    ...{ deployedGeneration: 0, deployedAt: null, targetDigest: null, receipt: null },
    ...{ nextInspectionAt: null, inspectionProblem: null },
  };
  const found = await trx.selectFrom("deployments").selectAll().where("certificate", "=", certificate).execute();
  const left = found.map(({ target }) => target).filter((target) => !names.includes(target));
  if (left.length > 0)
    await trx.deleteFrom("deployments").where("certificate", "=", certificate).where("target", "in", left).execute();
  const kept = found.filter(({ target }) => names.includes(target));
  const altered = kept.filter((row) => !isIntact(vault, "deployments", row)).map(({ target }) => target);
  for (const target of altered) {
    // Its lease stays: a worker may be at work there. What the worker writes is refused.
    await trx
      .updateTable("deployments")
      .set((row) => ({ ...nothing, wantedGeneration: generation, fence: row("fence", "+", 1) }))
      .where("certificate", "=", certificate)
      .where("target", "=", target)
      .execute();
  }
  if (names.length === 0) return altered;
  const cleared = { ...CLEARED, attempts: 0 };
  const untouched = { ...nothing, fence: 0, leaseUntil: null, wantedGeneration: 0 };
  const known = new Map(kept.filter(({ target }) => !altered.includes(target)).map((row) => [row.target, row]));
  const wanted = names.map((target) => {
    const before = known.get(target) ?? { ...untouched, certificate, target };
    const wantedGeneration = Math.max(before.wantedGeneration, generation);
    return withSeal(vault, "deployments", { ...before, ...cleared, wantedGeneration });
  });
  const rows = await trx
    .insertInto("deployments")
    .values(wanted)
    .onConflict((conflict) =>
      conflict.columns(["certificate", "target"]).doUpdateSet((row) => {
        const isNewer = row("deployments.wantedGeneration", "<", generation);
        return {
          ...cleared,
          seal: row.ref("excluded.seal"),
          // Never lowered: an older renewal that wakes up late must not undo a newer one.
          wantedGeneration: row
            .case()
            .when(isNewer)
            .then(generation)
            .else(row.ref("deployments.wantedGeneration"))
            .end(),
          // A worker that still deploys the older generation must not write its failure to the newer one.
          fence: row
            .case()
            .when(isNewer)
            .then(row("deployments.fence", "+", 1))
            .else(row.ref("deployments.fence"))
            .end(),
        };
      }),
    )
    .returningAll()
    .execute();
  // The seal is over what was read before: on PostgreSQL a worker may have written its outcome in between.
  for (const row of rows) {
    const { target } = row;
    if (!isIntact(vault, "deployments", row))
      await sealReturned(trx, vault, { table: "deployments", key: { certificate, target } }, row);
  }
  return altered;
}

export const DEPLOYMENT_COLUMNS = [
  ...(["certificate", "target", "wantedGeneration", "deployedGeneration", "deployedAt", "targetDigest"] as const),
  ...(["fence", "leaseUntil", "openClaims", "attempts", "nextAttemptAt", "exhausted"] as const),
  ...(["errorCode", "errorMessage", "receipt", "inspectionProblem", "nextInspectionAt", "seal"] as const),
] as const;

type Row = Selectable<Schema["deployments"]>;

function receiptOf({ certificate, target, receipt }: Row): DeployReceipt | null {
  return receipt === null ? null : readJson(receiptJson, receipt, `receipt of ${certificate} at ${target}`);
}

/** Only deploying needs the receipt: a damaged one must not stop planning and reports. */
export function asDeployment(vault: Vault, row: Row): Deployment {
  const { nextInspectionAt: _, seal: _seal, ...columns } = row;
  const exhausted = row.exhausted !== 0;
  if (isIntact(vault, "deployments", row)) {
    const [receipt = null] = readEach([row], receiptOf);
    const isDamaged = receipt === null && row.receipt !== null;
    return { ...columns, exhausted, receipt, ...(isDamaged && { isReceiptDamaged: true }) };
  }
  const nothing = { wantedGeneration: 0, deployedGeneration: 0, deployedAt: null, targetDigest: null, receipt: null };
  return { ...columns, exhausted, ...nothing, inspectionProblem: ALTERED_DEPLOYMENT, isAltered: true };
}
