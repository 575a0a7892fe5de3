import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";

/**
 * Certificates of the configuration whose rows are gone. renewd never deletes one, so somebody else did: without a row
 * nothing would be planned. Part of the caller's transaction; returns their names.
 */
export async function addMissingRecords(
  tx: Store,
  certificates: readonly Certificate[],
  at: number,
): Promise<readonly string[]> {
  const wanted = new Map(certificates.map((certificate) => [certificate.name, certificate]));
  const added = await tx.certificates.addMissing(certificates, at);
  for (const certificate of added) {
    const of = { at, certificate, renewalId: null, target: null };
    const { digest = null, targets = [] } = wanted.get(certificate) ?? {};
    const detail = { change: "added", digest, targets };
    await tx.events.append({ ...of, type: "certificate.configured", detail });
    await tx.events.append({
      ...of,
      type: "certificate.instantCorrected",
      detail: { fields: ["the row, which was gone"] },
    });
  }
  return added;
}

/**
 * Which configuration the row belongs to, as the history has it: its events are sealed, which the digest is not. With a
 * digest that no process has, all of them would wait for another one.
 */
export async function trustedRecord(
  tx: Store,
  record: CertificateRecord,
  { name, digest }: Certificate,
): Promise<{ readonly record: CertificateRecord; readonly fields: readonly string[] }> {
  if (record.digest === digest) return { record, fields: [] };
  const newest = await newestConfiguration(tx, name);
  if (newest?.type !== "certificate.configured" || newest.detail.digest !== digest) return { record, fields: [] };
  await tx.certificates.update(name, { digest });
  return { record: { ...record, digest }, fields: ["digest"] };
}

/** Another planner has a newer configuration. */
export async function isRemoved(tx: Store, certificate: string): Promise<boolean> {
  return (await newestConfiguration(tx, certificate))?.type === "certificate.removed";
}

async function newestConfiguration(tx: Store, certificate: string): Promise<HistoryEvent | undefined> {
  const types = ["certificate.configured", "certificate.removed"] as const;
  return (await tx.events.list({ certificate, types, limit: 1, sealed: true }))[0];
}
