import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { FileToWrite } from "../local/atomicFiles.ts";

/** What the target holds, beside it, so that a late or restored worker can see that it is behind. */
const generationRecord = z.object({
  certificate: z.string(),
  generation: z.number().int(),
  fingerprint: z.string(),
  /** ms since epoch. */
  notBefore: z.number(),
});
export type GenerationRecord = z.infer<typeof generationRecord>;

const RECORD_BYTES_MAX = 4096;

/** A dot file: HAProxy's `crt <dir>` loads every other file it finds. */
export function recordPath(firstFile: string): string {
  return join(dirname(firstFile), `.${basename(firstFile)}.renewd.json`);
}

export function recordFile(first: Pick<FileToWrite, "path" | "root">, pair: IssuedCertificate): FileToWrite {
  return { path: recordPath(first.path), root: first.root, content: recordText(pair), secret: false };
}

export function recordText(pair: IssuedCertificate): string {
  const record: GenerationRecord = {
    certificate: pair.certificate,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
    notBefore: pair.leaf.notBefore,
  };
  return `${JSON.stringify(record)}\n`;
}

/** null: none, or not one of ours; then nothing is known that could be newer. */
export async function readRecord(firstFile: string): Promise<GenerationRecord | null> {
  const text = await readFile(recordPath(firstFile), "utf8").catch(() => null);
  return text === null ? null : parseRecord(text);
}

/** null: not one of ours. */
export function parseRecord(text: string): GenerationRecord | null {
  if (text.length > RECORD_BYTES_MAX) return null;
  try {
    return generationRecord.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * Whether the target is ahead of `pair`. Two different pairs of one generation exist only after the database was lost or
 * restored: then the one issued later wins. A record of another certificate is another count.
 */
export function isAhead(held: GenerationRecord | null, pair: IssuedCertificate): held is GenerationRecord {
  if (held === null || held.certificate !== pair.certificate || held.generation < pair.generation) return false;
  return !(held.generation === pair.generation && (held.fingerprint === pair.leaf.fingerprint || held.notBefore < pair.leaf.notBefore));
}

/** Throws `deploy.newerGeneration` when the target is ahead of `pair`. */
export function refuseOlder(pair: IssuedCertificate, held: GenerationRecord | null, where: string): void {
  if (!isAhead(held, pair)) return;
  throw new RenewalError(
    "deploy.newerGeneration",
    `${where} says the target holds generation ${held.generation} of ${pair.certificate}, so generation ${pair.generation} was not written; ` +
      "if renewd's database was lost, remove that file",
  );
}
