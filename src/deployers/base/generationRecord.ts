import { createHash } from "node:crypto";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate } from "../../domain/version.ts";

/** Is kept beside the pair, so that a late or restored worker sees that it is behind. */
const generationRecord = z.object({
  certificate: z.string(),
  generation: z.number().int(),
  fingerprint: z.string(),
  /** ms since epoch. */
  notBefore: z.number(),
  /** Of files that hold the private key: the mode that renewd gave each, such as 0640, by path. */
  keyModes: z.record(z.string(), z.string().regex(/^[0-7]{4}$/)).optional(),
  /** Of files with nothing but an owner and a mode, by path: the number of each on its disk. */
  plainFiles: z.record(z.string(), z.string()).optional(),
  /** SHA-256 of the certificates that follow the leaf. */
  chain: z.array(z.string()).optional(),
  /** Length of what renewd stored where nobody can read it back. */
  bytes: z.number().int().optional(),
});
export type GenerationRecord = z.infer<typeof generationRecord>;

const RECORD_BYTES_MAX = 16 * 1024;

export function recordText(
  pair: IssuedCertificate,
  more: Pick<GenerationRecord, "keyModes" | "plainFiles" | "bytes"> = {},
): string {
  const record: GenerationRecord = {
    certificate: pair.certificate,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
    notBefore: pair.leaf.notBefore,
    chain: pair.chainPem.map((pem) => createHash("sha256").update(derOf(pem)).digest("hex")),
    ...more,
  };
  return `${JSON.stringify(record)}\n`;
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ""), "base64");
}

/** SHA-256 of the certificates that renewd wrote last, the leaf first; undefined: not known. */
export function writtenCertificates(record: GenerationRecord | null): readonly string[] | undefined {
  return record?.chain === undefined ? undefined : [record.fingerprint, ...record.chain];
}

/** The mode that renewd gave a key last; undefined: not known. */
export function writtenMode(record: GenerationRecord | null, path: string): number | undefined {
  const text = record?.keyModes?.[path];
  return text === undefined ? undefined : Number.parseInt(text, 8);
}

/** null: renewd did not write it. */
export function parseRecord(text: string): GenerationRecord | null {
  if (text.length > RECORD_BYTES_MAX) return null;
  try {
    return generationRecord.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * Whether the target is ahead of `pair`. Two pairs of one generation exist only after the database was lost or
 * restored: then the one issued later wins; and for an exercise, which
 * replaces the good one and is the older of the two. Another certificate counts its own generations.
 */
export function isAhead(held: GenerationRecord | null, pair: IssuedCertificate): held is GenerationRecord {
  if (held === null || held.certificate !== pair.certificate || held.generation < pair.generation) return false;
  return !(
    held.generation === pair.generation &&
    (held.fingerprint === pair.leaf.fingerprint || held.notBefore < pair.leaf.notBefore || pair.isBroken === true)
  );
}

/** Throws `deploy.newerGeneration` when the target is ahead of `pair`. */
export function refuseOlder(pair: IssuedCertificate, held: GenerationRecord | null, where: string): void {
  if (!isAhead(held, pair)) return;
  throw new RenewalError(
    "deploy.newerGeneration",
    `${where} says the target holds generation ${held.generation} of ${pair.certificate}, ` +
      `so generation ${pair.generation} was not written; ` +
      "another renewd deploys there, or this one's database was lost: then remove that file",
  );
}
