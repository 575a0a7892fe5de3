import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { type GenerationRecord, isAhead } from "./generationRecord.ts";

/** The generation record as a remote target keeps it beside the pair: annotations, tags or fields, all of them text. */
export type GenerationTag = keyof GenerationRecord;

/** The marks of `pair` under the names that the target uses. */
export function tagsOf(pair: IssuedCertificate, nameOf: (mark: GenerationTag) => string): Record<string, string> {
  return {
    [nameOf("certificate")]: pair.certificate,
    [nameOf("generation")]: String(pair.generation),
    [nameOf("fingerprint")]: pair.leaf.fingerprint,
    [nameOf("notBefore")]: new Date(pair.leaf.notBefore).toISOString(),
  };
}

/** null: renewd has not marked it, or a person removed the mark so that any generation may be written. */
export function readTags(
  texts: Readonly<Record<string, unknown>>,
  nameOf: (mark: GenerationTag) => string,
): GenerationRecord | null {
  const text = (mark: GenerationTag): string => String(texts[nameOf(mark)] ?? "");
  const [certificate, generation, notBefore] = [text("certificate"), text("generation"), Date.parse(text("notBefore"))];
  if (certificate === "" || !/^\d{1,9}$/.test(generation)) return null;
  return {
    certificate,
    generation: Number(generation),
    fingerprint: text("fingerprint"),
    notBefore: Number.isNaN(notBefore) ? 0 : notBefore,
  };
}

export interface Holder {
  /** What holds the pair, such as `secret web/www-tls`. */
  readonly name: string;
  /** Where a person reads and removes its generation, such as `its annotation renewd/generation`. */
  readonly mark: string;
}

/** Throws `deploy.refused` when another certificate has the place. */
export function refuseForeign(certificate: string, held: GenerationRecord | null, holder: Holder): void {
  if (held === null || held.certificate === certificate) return;
  throw new RenewalError(
    "deploy.refused",
    `${holder.name} belongs to the certificate ${held.certificate} (${holder.mark}), not to ${certificate}`,
  );
}

/**
 * Throws `deploy.refused` when another certificate has the place, `deploy.newerGeneration` when it is ahead of `pair`.
 */
export function refuseForeignOrOlder(pair: IssuedCertificate, held: GenerationRecord | null, holder: Holder): void {
  refuseForeign(pair.certificate, held, holder);
  if (!isAhead(held, pair)) return;
  throw new RenewalError(
    "deploy.newerGeneration",
    `${holder.name} holds generation ${held.generation} of ${pair.certificate} (${holder.mark}), ` +
      `so generation ${pair.generation} was not written; ` +
      "another renewd deploys there, or this one's database was lost: then remove that mark",
  );
}
