import { lstat, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { IssuedCertificate } from "../../domain/version.ts";
import { type GenerationRecord, parseRecord, recordText } from "../base/generationRecord.ts";
import type { FileToWrite } from "./atomicFiles.ts";
import { modeText } from "./attributes.ts";

/** A dot file: HAProxy's `crt <dir>` loads every other file it finds. */
export function recordPath(firstFile: string): string {
  return join(dirname(firstFile), `.${basename(firstFile)}.renewd.json`);
}

export function recordFile(
  first: Pick<FileToWrite, "path" | "root">,
  pair: IssuedCertificate,
  keyModes: ReadonlyMap<string, number>,
): FileToWrite {
  const modes = Object.fromEntries([...keyModes].map(([path, mode]) => [path, modeText(mode)]));
  return {
    path: recordPath(first.path),
    root: first.root,
    content: recordText(pair, { keyModes: modes }),
    secret: false,
  };
}

/** null: there is none, or renewd did not write it; then nothing newer is known. */
export async function readRecord(firstFile: string): Promise<GenerationRecord | null> {
  const text = await readFile(recordPath(firstFile), "utf8").catch(() => null);
  return text === null ? null : parseRecord(text);
}

/** As `readRecord`, for the generation: where somebody removed the first file, nothing newer is in place. */
export async function readGeneration(firstFile: string): Promise<GenerationRecord | null> {
  const found = await lstat(firstFile).catch((error: NodeJS.ErrnoException) =>
    error.code === "ENOENT" ? null : undefined,
  );
  return found === null ? null : await readRecord(firstFile);
}
