import { lstat, readdir, readFile, realpath, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileError } from "../base/fileError.ts";
import { type GenerationRecord, parseRecord } from "../base/generationRecord.ts";
import { readIfThere } from "../local/inspectFiles.ts";
import { withDirectoryLock } from "../local/pairFiles.ts";

export interface LeftFiles {
  /** As the receipt of the last deploy names it. */
  readonly file: string;
  readonly certificate: string;
  /** Paths that configured targets write to: they stay. */
  readonly occupied: ReadonlySet<string>;
}

interface Record {
  readonly path: string;
  readonly held: GenerationRecord;
}

/**
 * Removes the files with the private key that a target left, and renewd's record beside them. Returns the paths that it
 * removed; empty: nothing of renewd's is there. Throws `deploy.io`.
 */
export async function removeLeftFiles(
  { file, certificate, occupied }: LeftFiles,
  signal: AbortSignal,
): Promise<string[]> {
  const directory = dirname(file);
  if ((await lstat(directory).catch(() => null)) === null) return [];
  return await withDirectoryLock(directory, signal, async () => {
    const records = await recordsIn(directory, certificate);
    const keys = records.flatMap(({ held }) => Object.keys(held.keyModes ?? {}));
    const candidates = [...new Set([...keys, file])].filter((path) => !occupied.has(path));
    const removed: string[] = [];
    for (const path of candidates) removed.push(...(await removePair(path)));
    if (removed.length === 0) return [];
    for (const { path, held } of records)
      if (!Object.keys(held.keyModes ?? {}).some((key) => occupied.has(key))) await remove(path);
    return removed;
  });
}

async function recordsIn(directory: string, certificate: string): Promise<Record[]> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => /^\..+\.renewd\.json$/.test(name));
  const records: Record[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const held = parseRecord(await readFile(path, "utf8").catch(() => ""));
    if (held?.certificate === certificate) records.push({ path, held });
  }
  return records;
}

/** A file that holds neither a key nor a certificate is not what renewd put there. With a link its file goes, too. */
async function removePair(path: string): Promise<string[]> {
  const found = await lstat(path).catch(() => null);
  if (found === null || found.isDirectory()) return [];
  const real = await realpath(path).catch(() => path);
  const isKeystore = /\.(p12|pfx|jks)$/.test(path);
  if (!isKeystore && !/-----BEGIN |inline_string/.test((await readIfThere(real)) ?? "")) return [];
  const removed = [...new Set([path, real])];
  for (const one of removed) await remove(one);
  return removed;
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw fileError(error, path);
  });
}
