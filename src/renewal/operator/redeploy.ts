import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Renewal, RenewalState } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { insertRenewal } from "../plan/newRenewal.ts";
import { isUnconfirmed } from "../rules/restored.ts";
import { runwayPriority } from "../rules/window.ts";
import { resumeHeld } from "../steps/hold.ts";
import { reconcile } from "../steps/reconcile.ts";
import { pairBefore, rollBack, unfitness } from "../steps/rollBack.ts";

/** What a person decides about a renewal. Every verb needs the database only: the sweep enqueues what follows when Redis is away. */
export interface OperatorDecision {
  /** Name of a certificate, or id of a renewal. */
  readonly of: string;
  readonly why: string | null;
  readonly by: string | null;
}

/** States in which a renewal's pair may be in use somewhere. */
const DEPLOYING: readonly RenewalState[] = ["deploying", "verifying", "held"];

/** The held renewal of this id, or of the certificate of this name; null: there is none. */
export async function heldRenewal({ store }: Pick<Context, "store">, of: string): Promise<Renewal | null> {
  const found = (await store.renewals.active(of)) ?? (await store.renewals.get(of));
  return found?.state === "held" ? found : null;
}

/** A held renewal tries its failed wave once more. Throws `request.invalid`. */
export async function resumeRenewal(context: Context, decision: OperatorDecision): Promise<Renewal> {
  const { store, clock } = context;
  const resumed = await store.transaction(async (tx) => {
    const { renewal, name, certificate } = await subjectOf(context, tx, decision.of);
    if (renewal?.state !== "held") throw invalid(`"${name}" has no held renewal; see \`renewd status\``);
    return resumeHeld(tx, renewal, certificate, reasonOf(decision, "resumed by hand"), clock.now());
  });
  await reconcile(context, resumed.id);
  return resumed;
}

/** Puts the last pair that was proved live and is still valid back everywhere, as the next generation. Throws `request.invalid`. */
export async function rollBackRenewal(context: Context, decision: OperatorDecision): Promise<Renewal> {
  const { store, clock } = context;
  const rollback = await store.transaction(async (tx) => {
    const now = clock.now();
    const { renewal, name, certificate } = await subjectOf(context, tx, decision.of);
    const latest = await tx.versions.latest(name);
    if (latest === null) throw invalid(`"${name}" has no certificate yet`);
    refuseUnconfirmed(await knownRecord(tx, name), latest);
    if (renewal !== null && !DEPLOYING.includes(renewal.state))
      throw invalid(`nothing of renewal ${renewal.id} is deployed yet (it is ${renewal.state})`);
    const to = await pairBefore(tx, name, latest.generation, now);
    if (to === null)
      throw invalid(
        `"${name}" has no earlier pair that was proved live and is still valid; see \`renewd show ${name}\``,
      );
    return rollBack(
      tx,
      { certificate, to, ended: renewal, why: reasonOf(decision, "rolled back by hand"), trigger: "request" },
      now,
    );
  });
  await reconcile(context, rollback.id);
  return rollback;
}

export interface RedeployRequest {
  readonly certificate: string;
  /** Empty: all of the certificate's. */
  readonly targets: readonly string[];
  /** null: the latest. */
  readonly generation: number | null;
  readonly by: string | null;
}

/** Deploys and proves a pair that exists, without issuing. An earlier one comes back as the next generation. Throws `request.invalid`. */
export async function redeploy(context: Context, wish: RedeployRequest): Promise<Renewal> {
  const { store, services, clock } = context;
  const certificate = services.certificate(wish.certificate);
  if (certificate === null)
    throw invalid(`"${wish.certificate.slice(0, 80)}" is not configured; see \`renewd certificates\``);
  const unknown = wish.targets.find((target) => !certificate.targets.includes(target));
  if (unknown !== undefined)
    throw invalid(
      `target "${unknown.slice(0, 80)}" is none of ${certificate.name}'s: ${certificate.targets.join(", ")}`,
    );
  const renewal = await store.transaction(async (tx) => {
    const now = clock.now();
    const record = await knownRecord(tx, certificate.name);
    const active = await tx.renewals.active(certificate.name);
    if (active !== null)
      throw invalid(`"${certificate.name}" has renewal ${active.id}, which is ${active.state}: ${adviceFor(active)}`);
    const latest = await tx.versions.latest(certificate.name);
    if (latest === null)
      throw invalid(`"${certificate.name}" has no certificate yet: \`renewd renew ${certificate.name}\` issues one`);
    refuseUnconfirmed(record, latest);
    const version = wish.generation === null ? latest : await tx.versions.get(certificate.name, wish.generation);
    if (version === null)
      throw invalid(`"${certificate.name}" has no generation ${wish.generation}; the latest is ${latest.generation}`);
    return version.generation === latest.generation
      ? deployAgain(tx, certificate, version, wish, now)
      : goBack(tx, certificate, version, wish, now);
  });
  await reconcile(context, renewal.id);
  return renewal;
}

async function deployAgain(
  tx: Store,
  certificate: Certificate,
  version: Version,
  { targets, by }: RedeployRequest,
  now: number,
): Promise<Renewal> {
  const { name } = certificate;
  const { generation } = version;
  await tx.deployments.want(name, certificate.targets, generation);
  for (const target of targets.length === 0 ? certificate.targets : targets) await tx.deployments.forget(name, target);
  const detail = reasonOf(
    { why: `generation ${generation} to ${targets.length === 0 ? "every target" : targets.join(", ")}`, by },
    "",
  );
  const plan = {
    certificate,
    generation,
    reason: "redeploy",
    detail,
    trigger: "request",
    id: null,
    issuer: null,
  } as const;
  return inserted(await insertRenewal(tx, { ...plan, priority: runwayPriority(version, now) }, now), name);
}

async function goBack(
  tx: Store,
  certificate: Certificate,
  to: Version,
  { targets, by }: RedeployRequest,
  now: number,
): Promise<Renewal> {
  if (targets.length > 0)
    throw invalid("an earlier generation goes back to every target at once: leave `--target` out");
  const unfit = unfitness(to, await tx.versions.list(certificate.name), now);
  if (unfit !== null) throw invalid(`generation ${to.generation} of "${certificate.name}" ${unfit}`);
  return rollBack(
    tx,
    { certificate, to, ended: null, why: reasonOf({ why: null, by }, "asked for by hand"), trigger: "request" },
    now,
  );
}

interface Subject {
  readonly name: string;
  readonly certificate: Certificate;
  /** The active one; null: none. */
  readonly renewal: Renewal | null;
}

async function subjectOf({ services }: Context, tx: Store, of: string): Promise<Subject> {
  const named = services.certificate(of);
  const asked = named === null ? await tx.renewals.get(of) : null;
  const name = named?.name ?? asked?.certificate;
  const certificate = named ?? (name === undefined ? null : services.certificate(name));
  if (certificate === null)
    throw invalid(`"${of.slice(0, 80)}" is neither a configured certificate nor the id of one's renewal`);
  const active = await tx.renewals.active(certificate.name);
  const renewal = active === null ? null : await tx.renewals.lock(active.id);
  if (
    asked !== null &&
    asked.id !== renewal?.id &&
    asked.generation !== (await tx.versions.latest(certificate.name))?.generation
  ) {
    throw invalid(`renewal ${asked.id} is ${asked.state} and generation ${asked.generation} has been replaced since`);
  }
  return { name: certificate.name, certificate, renewal };
}

async function knownRecord(tx: Store, name: string): Promise<CertificateRecord> {
  const record = await tx.certificates.get(name);
  if (record === null) throw invalid(`"${name}" is configured but no planner has seen it yet; start or reload one`);
  return record;
}

function refuseUnconfirmed(record: CertificateRecord, version: Version): void {
  if (isUnconfirmed({ record, version }))
    throw invalid(`"${record.name}" was restored from a backup and may be older than what is live; renew it instead`);
}

function adviceFor({ state, id }: Renewal): string {
  return state === "held" ? `decide with \`renewd resume ${id}\` or \`renewd rollback ${id}\`` : "wait for its end";
}

function inserted(renewal: Renewal | null, name: string): Renewal {
  if (renewal === null) throw invalid(`"${name}" is being renewed by another request just now`);
  return renewal;
}

function reasonOf({ why, by }: Pick<OperatorDecision, "why" | "by">, otherwise: string): string {
  return `${why ?? otherwise}${by === null ? "" : ` (by ${by})`}`;
}

function invalid(what: string): RenewalError {
  return new RenewalError("request.invalid", what);
}
