import { createHash, X509Certificate } from "node:crypto";
import type { Certificate } from "../../domain/certificate.ts";
import { deploysExisting } from "../../domain/renewal.ts";
import type { ReplacementMember, ReplacementMembership } from "../../domain/replacement.ts";
import { formatInstant } from "../../domain/time.ts";
import { canonicalSerial, type Version } from "../../domain/version.ts";
import type { ReasonFound } from "./reasons.ts";

/** Which certificates a replacement replaces; all that are given must apply. */
export interface Selection {
  /** Name of an issuer in configuration. */
  readonly issuer?: string;
  /** A part of the name of the CA certificate that signed it. */
  readonly signedBy?: string;
  /** Each as `canonicalSerial` writes it. */
  readonly serials?: ReadonlySet<string>;
  /** `*` stands for any characters; one name that fits is enough. */
  readonly san?: string;
  /** SHA-256 of a certificate in the chain, lower-case hex. */
  readonly intermediate?: string;
  /** Names of certificates. */
  readonly certificates?: ReadonlySet<string>;
  /** As in the configuration: the database does not record which profile a version was ordered with. */
  readonly profile?: string;
}

export function selects(selection: Selection, version: Version, certificate: Pick<Certificate, "profile">): boolean {
  const { issuer, signedBy, serials, san, intermediate, profile, certificates } = selection;
  if (certificates !== undefined && !certificates.has(version.certificate)) return false;
  if (profile !== undefined && certificate.profile !== profile) return false;
  if (issuer !== undefined && version.issuer !== issuer) return false;
  if (signedBy !== undefined && !version.leaf.issuerName.includes(signedBy)) return false;
  if (serials !== undefined && !serials.has(canonicalSerial(version.leaf.serial))) return false;
  if (san !== undefined && !version.leaf.identifiers.some(({ value }) => fits(san, value))) return false;
  return intermediate === undefined || version.chainPem.some((pem) => fingerprintOf(pem) === intermediate);
}

/** The pieces between the stars are searched in turn: linear time for every pattern. */
function fits(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.toLowerCase().split("*");
  if (rest.length === 0) return first === name;
  const last = rest.pop() ?? "";
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at);
    if (found === -1 || found + piece.length > name.length - last.length) return false;
    at = found + piece.length;
  }
  return true;
}

function fingerprintOf(pem: string): string | null {
  try {
    return createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
  } catch {
    return null;
  }
}

export function waveOf(index: number, waves: readonly number[]): number {
  const found = waves.findIndex((_, wave) => index < waves.slice(0, wave + 1).reduce((sum, size) => sum + size, 0));
  return found === -1 ? waves.length : found;
}

/** Whether the replacement still wants a newer generation. */
export function isReplacementPending(
  membership: Pick<ReplacementMember, "generation"> | null,
  version: Version | null,
): membership is ReplacementMembership {
  return membership !== null && version !== null && version.generation <= membership.generation;
}

/** Only more serious reasons come first: with the others the same new certificate results. */
export function reasonInReplacement(
  membership: ReplacementMembership | null,
  version: Version | null,
  found: ReasonFound | null,
): ReasonFound | null {
  if (
    !isReplacementPending(membership, version) ||
    membership.waitsFor > 0 ||
    (found !== null && found.reason !== "renewalWindow" && !deploysExisting(found.reason))
  )
    return found;
  return {
    reason: "requested",
    detail: `replacement ${membership.replacement.slice(0, 8)}, due ${formatInstant(membership.deadline)}`,
  };
}
