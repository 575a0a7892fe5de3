import type { Certificate } from "../../domain/certificate.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { insertRenewal } from "../plan/newRenewal.ts";
import { runwayPriority } from "../rules/window.ts";
import { reconcile } from "../steps/reconcile.ts";
import { rollBack, unfitness } from "../steps/rollBack.ts";
import { wantGeneration } from "../steps/wantGeneration.ts";
import { invalidRequest, knownRecord, reasonOf, refuseObserved, refuseUnconfirmed } from "./subject.ts";

export interface RedeployRequest {
  readonly certificate: string;
  /** Empty: all targets of the certificate. */
  readonly targets: readonly string[];
  /** null: the latest. */
  readonly generation: number | null;
  readonly by: string | null;
  readonly why?: string | null;
}

/**
 * Deploys and proves a pair that exists, without issuing. An earlier pair comes back as the next generation.
 * Throws `request.invalid`.
 */
export async function redeploy(context: Context, request: RedeployRequest): Promise<Renewal> {
  const { store, services, clock } = context;
  const certificate = services.certificate(request.certificate);
  if (certificate === null)
    throw invalidRequest(`"${request.certificate.slice(0, 80)}" is not configured; see \`renewd certificates\``);
  refuseObserved(certificate);
  const unknown = request.targets.find((target) => !certificate.targets.includes(target));
  if (unknown !== undefined)
    throw invalidRequest(
      `target "${unknown.slice(0, 80)}" is not a target of ${certificate.name}: ${certificate.targets.join(", ")}`,
    );
  const renewal = await store.transaction(async (tx) => {
    const now = clock.now();
    await tx.certificates.lock([certificate.name]);
    const record = await knownRecord(tx, certificate.name);
    const active = await tx.renewals.active(certificate.name);
    if (active !== null)
      throw invalidRequest(
        `"${certificate.name}" has renewal ${active.id}, which is ${active.state}: ${adviceFor(active)}`,
      );
    const latest = await tx.versions.latest(certificate.name);
    if (latest === null)
      throw invalidRequest(
        `"${certificate.name}" has no certificate yet: \`renewd renew ${certificate.name}\` issues one`,
      );
    refuseUnconfirmed(record, latest);
    const version = request.generation === null ? latest : await tx.versions.get(certificate.name, request.generation);
    if (version === null)
      throw invalidRequest(
        `"${certificate.name}" has no generation ${request.generation}; the latest is ${latest.generation}`,
      );
    return version.generation === latest.generation
      ? deployAgain(tx, certificate, version, request, now)
      : goBack(tx, certificate, version, request, now);
  });
  await reconcile(context, renewal.id);
  return renewal;
}

async function deployAgain(
  tx: Store,
  certificate: Certificate,
  version: Version,
  { targets, by, why = null }: RedeployRequest,
  now: number,
): Promise<Renewal> {
  const { name } = certificate;
  const { generation } = version;
  await wantGeneration(tx, { certificate, generation, renewalId: null }, now);
  for (const target of targets.length === 0 ? certificate.targets : targets) await tx.deployments.forget(name, target);
  const detail = reasonOf(
    {
      why: [`generation ${generation} to ${targets.length === 0 ? "every target" : targets.join(", ")}`, why]
        .filter((part) => part !== null)
        .join(": "),
      by,
    },
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
  { targets, by, why = null }: RedeployRequest,
  now: number,
): Promise<Renewal> {
  if (targets.length > 0)
    throw invalidRequest("an earlier generation goes back to every target at once: leave `--target` out");
  const unfit = unfitness(to, await tx.versions.list(certificate.name), now);
  if (unfit !== null) throw invalidRequest(`generation ${to.generation} of "${certificate.name}" ${unfit}`);
  return rollBack(
    tx,
    { certificate, to, ended: null, why: reasonOf({ why, by }, "asked for by hand"), trigger: "request" },
    now,
  );
}

function adviceFor({ state, id }: Renewal): string {
  return state === "held" ? `decide with \`renewd resume ${id}\` or \`renewd rollback ${id}\`` : "wait for its end";
}

function inserted(renewal: Renewal | null, name: string): Renewal {
  if (renewal === null) throw invalidRequest(`"${name}" is being renewed by another request just now`);
  return renewal;
}
