import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { IssuedCertificate } from "../../domain/version.ts";
import { type GenerationRecord, parseRecord, recordText } from "../base/generationRecord.ts";
import type { FileToWrite } from "./atomicFiles.ts";
import { modeText } from "./attributes.ts";
import type { WrittenFiles } from "./plainFile.ts";
import { readIfThere } from "./readRegular.ts";

/** A dot file: HAProxy's `crt <dir>` loads every other file it finds. */
export function recordPath(firstFile: string): string {
  return join(dirname(firstFile), `.${basename(firstFile)}.renewd.json`);
}

export function recordFile(
  first: Pick<FileToWrite, "path" | "root">,
  pair: IssuedCertificate,
  { keyModes, plainFiles }: WrittenFiles,
): FileToWrite {
  const modes = Object.fromEntries([...keyModes].map(([path, mode]) => [path, modeText(mode)]));
  return {
    path: recordPath(first.path),
    root: first.root,
    content: recordText(pair, {
      keyModes: modes,
      ...(plainFiles.size > 0 && { plainFiles: Object.fromEntries(plainFiles) }),
    }),
    secret: false,
    plain: true,
  };
}

/** null: there is none, or renewd did not write it; then nothing newer is known. */
export async function readRecord(firstFile: string): Promise<GenerationRecord | null> {
  const text = await readIfThere(recordPath(firstFile)).catch(() => null);
  return text === null ? null : parseRecord(text);
}

type Part = Pick<FileToWrite, "path" | "secret" | "content">;

/** The record of the generation in place: where somebody removed key or certificate, nothing newer is. */
export async function inPlace(
  record: GenerationRecord | null,
  files: readonly Part[],
): Promise<GenerationRecord | null> {
  return record !== null && (await holdsPair(files, exists)) ? record : null;
}

/** Whether a file with the key and one with the certificate are there. */
export async function holdsPair(files: readonly Part[], isThere: (path: string) => Promise<boolean>): Promise<boolean> {
  for (const parts of [files.filter(({ secret }) => secret), files.filter(hasCertificate)]) {
    const found = await Promise.all(parts.map(({ path }) => isThere(path)));
    if (found.length > 0 && !found.includes(true)) return false;
  }
  return true;
}

function hasCertificate({ content }: Part): boolean {
  return typeof content !== "string" || content.includes("-----BEGIN CERTIFICATE-----");
}

/** A link that leads nowhere holds nothing. What cannot be read may be there. */
async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}
