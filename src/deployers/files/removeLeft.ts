import { lstat, readdir, realpath, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileError } from "../base/fileError.ts";
import { type GenerationRecord, parseRecord } from "../base/generationRecord.ts";
import { withDirectoryLock } from "../local/pairFiles.ts";
import { readIfThere } from "../local/readRegular.ts";

export interface LeftFiles {
  /** Files with the private key, as the receipts name them. */
  readonly files: readonly string[];
  /** Directory where certbot's layout keeps earlier keys; null: it is another layout. */
  readonly archive: string | null;
  readonly certificate: string;
  /** Whether a configured target writes to this path: then it stays. */
  readonly isOccupied: (path: string) => boolean;
}

interface Record {
  readonly path: string;
  readonly held: GenerationRecord;
}

/**
 * Removes the files with the private key that a target left, and renewd's record beside them. Returns the paths that it
 * removed; empty: nothing of renewd's is there. Throws `deploy.io`.
 */
export async function removeLeftFiles(left: LeftFiles, signal: AbortSignal): Promise<string[]> {
  const removed: string[] = [];
  for (const directory of new Set(left.files.map((file) => dirname(file))))
    removed.push(...(await removeIn(directory, left, signal)));
  if (removed.length > 0 && left.archive !== null) removed.push(...(await removeArchived(left.archive)));
  return [...new Set(removed)];
}

async function removeIn(
  directory: string,
  { files, certificate, isOccupied }: LeftFiles,
  signal: AbortSignal,
): Promise<string[]> {
  if ((await lstat(directory).catch(() => null)) === null) return [];
  return await withDirectoryLock(directory, signal, async () => {
    const named = files.filter((file) => dirname(file) === directory);
    const records = await recordsOf(named, directory, certificate);
    const candidates = [...new Set([...records.flatMap(keysOf), ...named])].filter((path) => !isOccupied(path));
    const removed: string[] = [];
    for (const path of candidates) removed.push(...(await removePair(path)));
    if (removed.length === 0) return [];
    for (const record of records) if (!keysOf(record).some(isOccupied)) await remove(record.path);
    return removed;
  });
}

async function removeArchived(archive: string): Promise<string[]> {
  const names = (await readdir(archive).catch(() => [])).filter((name) => /^privkey[1-9]\d{0,8}\.pem$/.test(name));
  const removed: string[] = [];
  for (const name of names) removed.push(...(await removePair(join(archive, name))));
  return removed;
}

/** Another target of the certificate may have its record in the same directory. */
async function recordsOf(files: readonly string[], directory: string, certificate: string): Promise<Record[]> {
  const all = await recordsIn(directory, certificate);
  const own = all.filter((record) => keysOf(record).some((key) => files.includes(key)));
  // Receipts of certbot's layout once named the certificate.
  return own.length > 0 ? own : all;
}

function keysOf({ held }: Record): string[] {
  return Object.keys(held.keyModes ?? {});
}

async function recordsIn(directory: string, certificate: string): Promise<Record[]> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => /^\..+\.renewd\.json$/.test(name));
  const records: Record[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const held = parseRecord((await readIfThere(path).catch(() => null)) ?? "");
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
