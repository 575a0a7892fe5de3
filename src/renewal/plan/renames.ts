import type { Certificate } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { identifiersKey } from "../../domain/identifier.ts";
import { latestVersions } from "../../domain/latestVersions.ts";
import type { Secret } from "../../domain/secret.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import { expiryWarningAt } from "../rules/window.ts";

/**
 * A certificate that appears with the names and key type of one that left the configuration was renamed: it keeps that
 * one's pair, which goes to its targets, instead of being ordered again. The version of each, by its new name.
 */
export async function findRenames(
  store: Store,
  added: readonly string[],
  certificates: readonly Certificate[],
  now: number,
): Promise<ReadonlyMap<string, Version>> {
  const renames = new Map<string, Version>();
  if (added.length === 0) return renames;
  const appeared = new Set(added);
  const configured = new Set(certificates.map(({ name }) => name));
  const withVersion = new Set<string>();
  const left: Version[] = [];
  // One altered row must not keep the planner from all others; its certificate is ordered again.
  for await (const version of latestVersions(store, ({ certificate }) => withVersion.add(certificate))) {
    withVersion.add(version.certificate);
    if (!configured.has(version.certificate)) left.push(version);
  }
  // Thousands may get new names at once.
  const leftByNames = Map.groupBy(left, ({ leaf }) => identifiersKey(leaf.identifiers));
  if (leftByNames.size === 0) return renames;
  for (const certificate of certificates) {
    if (!appeared.has(certificate.name) || withVersion.has(certificate.name)) continue;
    const [version] = (leftByNames.get(identifiersKey(certificate.identifiers)) ?? [])
      .filter((each) => isPairOf(certificate, each, now))
      .sort((a, b) => b.leaf.notAfter - a.leaf.notAfter);
    if (version !== undefined) renames.set(certificate.name, version);
  }
  return renames;
}

/** In the transaction that adds them: before it ends nobody orders for the new names. */
export async function followRenames(
  tx: Store,
  added: readonly Certificate[],
  renames: ReadonlyMap<string, Version>,
  now: number,
): Promise<void> {
  for (const certificate of added) {
    const found = renames.get(certificate.name);
    // Somebody may have renewed or revoked it since it was found.
    const version = found === undefined ? null : await tx.versions.latest(found.certificate);
    if (version !== null && isPairOf(certificate, version, now)) await keepPair(tx, certificate, version, now);
  }
}

/** Both for the same names. */
function isPairOf({ keyType }: Certificate, version: Version, now: number): boolean {
  return version.keyType === keyType && version.revokedAt === null && version.leaf.notAfter > now;
}

/** null: it was altered, or sealed under another key. */
async function readable(key: Promise<Secret>): Promise<Secret | null> {
  try {
    return await key;
  } catch (thrown) {
    if (toRenewalError(thrown).code.startsWith("store.")) return null;
    throw thrown;
  }
}

/** Under the same generation, which targets may already hold. */
async function keepPair(tx: Store, { name, targets }: Certificate, version: Version, now: number): Promise<void> {
  const { certificate: from, generation, leaf } = version;
  const privateKey = await readable(tx.versions.privateKey(from, generation));
  if (privateKey === null) return;
  await tx.versions.insert({ ...version, certificate: name, createdAt: now, verifiedAt: null }, privateKey);
  await tx.deployments.want(name, targets, generation);
  await tx.renewalInfos.watch(name, generation, now);
  await tx.certificates.update(name, { nextCheckAt: now, expiryWarningAt: expiryWarningAt(leaf) });
  const base = { at: now, renewalId: null, target: null };
  const detail = { from, generation, serial: leaf.serial, notAfter: leaf.notAfter };
  await tx.events.append({ ...base, type: "version.renamed", certificate: name, detail });
  // So that the history of either name leads to the other.
  await tx.events.append({ ...base, type: "certificate.renamed", certificate: from, detail: { to: name, generation } });
}
