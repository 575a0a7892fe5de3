import { createHash, randomUUID, X509Certificate } from "node:crypto";
import type { Certificate } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Campaign, CampaignMember, Membership } from "../../domain/replacement.ts";
import { formatInstant } from "../../domain/time.ts";
import { canonicalSerial, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import type { ReasonFound } from "../rules/reasons.ts";

/** Which certificates a campaign replaces; all that are given must apply. */
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
  /** As the configuration asks for it: what a version was ordered by is not remembered. */
  readonly profile?: string;
}

export function selects(selection: Selection, version: Version, certificate: Pick<Certificate, "profile">): boolean {
  const { issuer, signedBy, serials, san, intermediate, profile } = selection;
  if (profile !== undefined && certificate.profile !== profile) return false;
  if (issuer !== undefined && version.issuer !== issuer) return false;
  if (signedBy !== undefined && !version.leaf.issuerName.includes(signedBy)) return false;
  if (serials !== undefined && !serials.has(canonicalSerial(version.leaf.serial))) return false;
  if (san !== undefined && !version.leaf.identifiers.some(({ value }) => fits(san, value))) return false;
  return intermediate === undefined || version.chainPem.some((pem) => fingerprintOf(pem) === intermediate);
}

/** Pieces between stars are searched in turn: linear, whatever the pattern. */
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

export interface CampaignRequest {
  readonly selection: Selection;
  /** For people. */
  readonly described: string;
  readonly issuer: string | null;
  readonly deadline: number;
  /** How many have their turn first, second …; the rest comes last. Empty: all at once. */
  readonly waves: readonly number[];
}

export interface Drafted {
  readonly members: readonly { readonly certificate: Certificate; readonly version: Version }[];
  /** Selected, but not to be had from the wanted issuer. */
  readonly refused: readonly { readonly certificate: string; readonly why: string }[];
  /** Serials of the selection that no certificate in use has: replaced already, or not renewd's. */
  readonly unknownSerials: readonly string[];
}

/** Whom it would concern; records nothing. */
export async function draftCampaign({ store, estate }: Pick<Context, "store" | "estate">, { selection, issuer }: CampaignRequest): Promise<Drafted> {
  const members: { certificate: Certificate; version: Version }[] = [];
  const refused: { certificate: string; why: string }[] = [];
  const latest = await store.versions.listLatest();
  for (const version of latest) {
    const certificate = estate.certificate(version.certificate);
    if (certificate === null || !selects(selection, version, certificate)) continue;
    // Ordered elsewhere, it would at once be replaced again for having the wrong issuer.
    if (issuer !== null && ![certificate.issuer, ...certificate.fallbacks].includes(issuer)) {
      refused.push({ certificate: certificate.name, why: `its configuration does not name issuer "${issuer}"` });
    } else members.push({ certificate, version });
  }
  const inUse = new Set(latest.map(({ leaf }) => canonicalSerial(leaf.serial)));
  return { members, refused, unknownSerials: [...(selection.serials ?? [])].filter((serial) => !inUse.has(serial)) };
}

/** Records the campaign; every planner works it off from then on. Returns its id. */
export async function startCampaign({ store, clock }: Pick<Context, "store" | "clock">, request: CampaignRequest, { members }: Drafted): Promise<Campaign> {
  if (members.length === 0) throw new RenewalError("request.invalid", "no issued certificate of the configuration fits the selection");
  const now = clock.now();
  const { described: selection, issuer, deadline, waves } = request;
  const campaign: Campaign = { id: randomUUID(), selection, issuer, deadline, createdAt: now, endedAt: null };
  const rows = members.map(({ version: { certificate, generation } }, index): CampaignMember => {
    return { campaign: campaign.id, certificate, generation, wave: waveOf(index, waves) };
  });
  await store.transaction(async (tx) => {
    await tx.campaigns.create(campaign, rows);
    for (const { certificate } of rows) {
      if ((await tx.renewals.active(certificate)) === null) await tx.certificates.update(certificate, { nextCheckAt: now });
      await tx.events.append({
        at: now,
        type: "certificate.replacing",
        certificate,
        renewalId: null,
        target: null,
        detail: { campaign: campaign.id, selection },
      });
    }
  });
  return campaign;
}

export function waveOf(index: number, waves: readonly number[]): number {
  const found = waves.findIndex((_, wave) => index < waves.slice(0, wave + 1).reduce((sum, size) => sum + size, 0));
  return found === -1 ? waves.length : found;
}

/** Whether the campaign still wants a newer generation. */
export function isPending(membership: Pick<CampaignMember, "generation"> | null, version: Version | null): membership is Membership {
  return membership !== null && version !== null && version.generation <= membership.generation;
}

/** Only what is graver goes before: the others come to the same new certificate. */
export function reasonInCampaign(membership: Membership | null, version: Version | null, found: ReasonFound | null): ReasonFound | null {
  if (!isPending(membership, version) || membership.waitsFor > 0 || (found !== null && found.reason !== "renewalWindow" && found.reason !== "drift"))
    return found;
  return { reason: "requested", detail: `replacement ${membership.campaign.slice(0, 8)}, due ${formatInstant(membership.deadline)}` };
}
