import type { CertificateDetail, CertificateSummary } from "@aws-sdk/client-acm";
import { RenewalError } from "../../domain/errors.ts";
import type { Leaf } from "../../domain/version.ts";
import type { Acm } from "./acmClient.ts";
import { type AwsTags, CERTIFICATE_TAG } from "./tags.ts";

export const GENERATION_TAG = "renewd:generation";

/** Tag reads one lookup may cost. Only certificates that share a name with ours are asked. */
const CANDIDATES_MAX = 100;

/** A certificate ACM holds. */
export interface Held {
  readonly arn: string;
  readonly detail: CertificateDetail;
  readonly tags: AwsTags;
}

export interface Sought {
  readonly certificate: string;
  /** null: not known, so every imported certificate may be it. */
  readonly leaf: Leaf | null;
}

export interface Wanted extends Sought {
  readonly leaf: Leaf;
  /** Configured. */
  readonly arn: string | undefined;
  /** From the last receipt. */
  readonly recordedArn: string | null;
}

/** The configured one, else the recorded one, else the newest that carries our tags; null: none yet. */
export async function findHeld(acm: Acm, wanted: Wanted, signal: AbortSignal): Promise<Held | null> {
  if (wanted.arn !== undefined) {
    const held = await readHeld(acm, wanted.arn, signal);
    if (held === null) throw new RenewalError("deploy.refused", `${acm.where} has no certificate ${wanted.arn}`);
    return held;
  }
  const recorded = wanted.recordedArn === null ? null : await readHeld(acm, wanted.recordedArn, signal);
  return recorded ?? (await findTagged(acm, wanted, signal))[0] ?? null;
}

/** Those with our tag, the newest generation first. */
export async function findTagged(acm: Acm, { certificate, leaf }: Sought, signal: AbortSignal): Promise<Held[]> {
  const candidates = (await acm.listImported(signal)).filter((summary) => sharesName(summary, leaf));
  // Our certificate may be among those beyond the limit. A second import under another ARN would not be served.
  if (candidates.length > CANDIDATES_MAX)
    throw new RenewalError(
      "deploy.refused",
      `${acm.where} holds ${candidates.length} certificates that may be ${certificate}: name its \`arn\``,
    );
  const ours: Held[] = [];
  for (const { CertificateArn: arn } of candidates) {
    if (arn === undefined) continue;
    const tags = await acm.tags(arn, signal);
    if (tags[CERTIFICATE_TAG] !== certificate) continue;
    const detail = await acm.describe(arn, signal);
    if (detail !== null) ours.push({ arn, detail, tags });
  }
  return ours.sort((a, b) => (generationOf(b.tags) ?? 0) - (generationOf(a.tags) ?? 0));
}

export function generationOf(tags: AwsTags): number | null {
  const text = tags[GENERATION_TAG];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

async function readHeld(acm: Acm, arn: string, signal: AbortSignal): Promise<Held | null> {
  const detail = await acm.describe(arn, signal);
  return detail === null ? null : { arn, detail, tags: await acm.tags(arn, signal) };
}

/** Long lists are cut in the summary, so a certificate with more names than it shows stays a candidate. */
function sharesName(summary: CertificateSummary, leaf: Leaf | null): boolean {
  if (leaf === null) return true;
  if (summary.HasAdditionalSubjectAlternativeNames === true) return true;
  const names = new Set([summary.DomainName, ...(summary.SubjectAlternativeNameSummaries ?? [])]);
  return leaf.identifiers.some(({ value }) => names.has(value));
}
