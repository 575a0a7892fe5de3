import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import type { Renewal, Trigger } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { DAY_MS, formatAgo } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { renewalEvent } from "../history.ts";
import { insertRenewal } from "../plan/newRenewal.ts";
import { failedToIssue } from "../rules/decide.ts";
import { nextGeneration } from "../rules/generation.ts";
import { wantGeneration } from "./wantGeneration.ts";

const QUARTER_HOUR_MS = 900_000;
/** A new pair is tried after a day, but at least this many times before the reinstated one expires. */
const ATTEMPTS_LEFT_MIN = 4;

export interface Rollback {
  readonly certificate: Certificate;
  readonly to: Version;
  /** The renewal whose pair is taken back; null: it had succeeded, and a person decided. */
  readonly ended: Renewal | null;
  readonly why: string;
  readonly trigger: Trigger;
}

/** The newest pair before `generation` that was proved live and is still usable; null: there is none. */
export async function pairBefore(
  store: Store,
  certificate: string,
  generation: number,
  now: number,
): Promise<Version | null> {
  const versions = await store.versions.list(certificate);
  const bad = versions.find((version) => version.generation === generation)?.leaf.fingerprint;
  // A reinstated pair counts where it was first issued: pairs issued after that were taken back and stay so.
  const first = versions.find(({ leaf }) => leaf.fingerprint === bad)?.generation ?? generation;
  const good = versions.filter(
    (version) =>
      version.generation < first && version.verifiedAt !== null && unfitness(version, versions, now) === null,
  );
  return good.at(-1) ?? null;
}

/** Why a pair must not be used again; null: it may. `versions` may contain the same pair under another generation. */
export function unfitness({ leaf }: Version, versions: readonly Version[], now: number): string | null {
  const revokedAt =
    versions.find((version) => version.revokedAt !== null && version.leaf.fingerprint === leaf.fingerprint)
      ?.revokedAt ?? null;
  if (revokedAt !== null) return `was revoked ${formatAgo(now - revokedAt)}`;
  return leaf.notAfter <= now ? `expired ${formatAgo(now - leaf.notAfter)}` : null;
}

/**
 * Reinstates an earlier pair as the next generation, because generations never decrease. So targets need no exception
 * to accept it, and a worker that still deploys the bad pair is refused. Part of the caller's transaction; returns the
 * renewal that deploys and proves the pair.
 */
export async function rollBack(
  tx: Store,
  { certificate, to, ended, why, trigger }: Rollback,
  now: number,
): Promise<Renewal> {
  const { name } = certificate;
  if (ended !== null) await endRolledBack(tx, ended, to, now);
  const record = await tx.certificates.get(name);
  const latest = await tx.versions.latest(name);
  const generation = nextGeneration(latest, record, await tx.deployments.list(name));
  const privateKey = await tx.versions.privateKey(name, to.generation);
  await tx.versions.insert({ ...to, generation, createdAt: now, verifiedAt: null }, privateKey);
  await wantGeneration(tx, { certificate, generation, renewalId: null }, now);
  await tx.renewalInfos.watch(name, generation, now);
  const detail = `generation ${to.generation} again: ${why}`;
  // Most urgent: the pair in use is known to be bad.
  const renewal = await insertRenewal(
    tx,
    { certificate, generation, reason: "rollback", detail, trigger, id: null, issuer: null, priority: 1 },
    now,
  );
  if (renewal === null) throw new TypeError(`${name} has a renewal that rolling back did not end`);
  await tx.events.append(
    renewalEvent(renewal, now, "version.reinstated", { generation, of: to.generation, serial: to.leaf.serial }),
  );
  await tx.certificates.update(name, {
    ...troubleOf(record, why, trigger),
    nextAttemptAt: now + Math.min(DAY_MS, Math.max(QUARTER_HOUR_MS, (to.leaf.notAfter - now) / ATTEMPTS_LEFT_MIN)),
  });
  return renewal;
}

/**
 * Taken back by itself, a renewal failed. A person who puts a pair back has decided: nothing failed, so nobody is
 * called. What kept renewd from issuing before that still does.
 */
function troubleOf(
  record: CertificateRecord | null,
  why: string,
  trigger: Trigger,
): Pick<CertificateRecord, "failures" | "lastErrorCode" | "lastErrorMessage"> {
  const failures = record?.failures ?? 0;
  const rolledBack = { lastErrorCode: "deploy.rolledBack", lastErrorMessage: why };
  if (trigger !== "request") return { failures: failures + 1, ...rolledBack };
  const { lastErrorCode = null, lastErrorMessage = null } = record ?? {};
  const isStuck = failures > 0 && lastErrorCode !== "deploy.rolledBack" && failedToIssue(lastErrorCode);
  return isStuck ? { failures, lastErrorCode, lastErrorMessage } : { failures: 0, ...rolledBack };
}

async function endRolledBack(tx: Store, renewal: Renewal, to: Version, now: number): Promise<void> {
  await tx.renewals.update(renewal.id, renewal.fence, {
    state: "rolledBack",
    finishedAt: now,
    nextActionAt: null,
    leaseUntil: null,
  });
  await tx.events.append(
    renewalEvent(renewal, now, "renewal.rolledBack", { generation: renewal.generation, to: to.generation }),
  );
}
