import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { isUnconfirmed } from "../rules/restored.ts";

/** What a person decides about a renewal. Needs the database only: without Redis, the sweep enqueues what follows. */
export interface OperatorDecision {
  /** Name of a certificate, or id of a renewal. */
  readonly of: string;
  readonly why: string | null;
  readonly by: string | null;
}

export interface Subject {
  readonly name: string;
  readonly certificate: Certificate;
  /** The active one, locked; null: none. */
  readonly renewal: Renewal | null;
}

/** What the decision is about. Throws `request.invalid` when it is unknown, or is about a pair that was replaced. */
export async function subjectOf({ services }: Context, tx: Store, of: string): Promise<Subject> {
  const named = services.certificate(of);
  const asked = named === null ? await tx.renewals.get(of) : null;
  const name = named?.name ?? asked?.certificate;
  const certificate = named ?? (name === undefined ? null : services.certificate(name));
  if (certificate === null)
    throw invalidRequest(`"${of.slice(0, 80)}" is neither a configured certificate nor the id of one's renewal`);
  await tx.certificates.lock([certificate.name]);
  const active = await tx.renewals.active(certificate.name);
  const renewal = active === null ? null : await tx.renewals.lock(active.id);
  if (
    asked !== null &&
    asked.id !== renewal?.id &&
    asked.generation !== (await tx.versions.latest(certificate.name))?.generation
  ) {
    throw invalidRequest(
      `renewal ${asked.id} is ${asked.state} and generation ${asked.generation} has been replaced since`,
    );
  }
  return { name: certificate.name, certificate, renewal };
}

export async function knownRecord(tx: Store, name: string): Promise<CertificateRecord> {
  const record = await tx.certificates.get(name);
  if (record === null)
    throw invalidRequest(`"${name}" is configured but no planner has seen it yet; start or reload one`);
  return record;
}

/** The configuration says that renewd must not touch it, and a command is no configuration. */
export function refuseObserved({ name, mode }: Certificate): void {
  if (mode === "observe")
    throw invalidRequest(`"${name}" has \`mode: observe\`: set \`mode: renew\` in the configuration and reload first`);
}

export function refuseUnconfirmed(record: CertificateRecord, version: Version): void {
  if (isUnconfirmed({ record, version }))
    throw invalidRequest(
      `"${record.name}" was restored from a backup and may be older than what is live; renew it instead`,
    );
}

export function reasonOf({ why, by }: Pick<OperatorDecision, "why" | "by">, otherwise: string): string {
  return `${why ?? otherwise}${by === null ? "" : ` (by ${by})`}`;
}

export function invalidRequest(what: string): RenewalError {
  return new RenewalError("request.invalid", what);
}
