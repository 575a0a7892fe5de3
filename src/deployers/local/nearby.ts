import type { Stats } from "node:fs";
import { constants, type FileHandle, open, readdir, stat } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import type { Attributes } from "./attributes.ts";
import type { Directory } from "./directory.ts";

/** Neighbours that are read; a directory of keys is uniform, or its first files do not agree. */
const NEIGHBOURS_MAX = 20;
const DIRECTORIES_MAX = 20;
const KEY_BYTES_MAX = 64 * 1024;

export interface Nearby extends Attributes {
  /** The key it is taken from, as an open directory has it; null: the directory decides. */
  readonly sibling: string | null;
}

export interface NewKey {
  readonly name: string;
  /** Its directory is the certificate's own: other certificates have theirs beside it. */
  readonly ownDirectory: boolean;
}

/**
 * What a new private key takes over: owner, group and mode of the keys of the same kind, if they agree, else those of
 * the directory. The kind is the extension in the same directory, or the name in the directories beside it. null:
 * nothing to take over, so the key is for renewd's own user.
 */
export async function nearbyAttributes(directory: Directory, { name, ownDirectory }: NewKey): Promise<Nearby | null> {
  const others = ownDirectory ? await inOtherDirectories(directory, name) : [];
  const siblings = [...(await besideIn(directory, name)), ...others];
  let first: { readonly path: string; readonly found: Stats } | null = null;
  for (const path of siblings.slice(0, NEIGHBOURS_MAX)) {
    // A file with the same attributes does not disagree: what it holds is not read.
    if (first !== null && agrees(first.found, await stat(path).catch(() => null))) continue;
    const found = await keyStats(path);
    if (found !== null && first !== null) return null;
    if (found !== null) first = { path, found };
  }
  if (first === null) return fromDirectory(await stat(directory.at(".")));
  const { uid, gid, mode } = first.found;
  return { uid, gid, mode: mode & 0o770, sibling: first.path };
}

function agrees(first: Stats, found: Stats | null): boolean {
  return found !== null && attributesText(found) === attributesText(first);
}

/** A group that may enter the directory may read what is in it; a directory open to all says nothing about anybody. */
function fromDirectory({ uid, gid, mode }: Stats): Nearby | null {
  if ((mode & 0o002) !== 0) return null;
  const groupReads = gid !== process.getegid?.() && (mode & 0o010) !== 0;
  return { uid, gid, mode: groupReads ? 0o640 : 0o600, sibling: null };
}

async function besideIn(directory: Directory, name: string): Promise<string[]> {
  const entries = await directory.names().catch(() => []);
  const same = entries.filter((entry) => entry !== name && !entry.startsWith(".") && extname(entry) === extname(name));
  return same.sort().map((entry) => directory.at(entry));
}

/** `archive/www/privkey.pem` for a new `archive/api/privkey.pem`. */
async function inOtherDirectories(directory: Directory, name: string): Promise<string[]> {
  const parent = dirname(directory.path);
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && join(parent, entry.name) !== directory.path)
    .slice(0, DIRECTORIES_MAX)
    .map((entry) => join(parent, entry.name, name));
}

/** null: it is not a regular file with a private key that renewd can read. */
async function keyStats(path: string): Promise<Stats | null> {
  // Without O_NONBLOCK a named pipe would block until it has a writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
  if (handle === null) return null;
  try {
    const found = await handle.stat();
    return found.isFile() && (await holdsKey(handle, { path, size: found.size })) ? found : null;
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}

interface File {
  readonly path: string;
  readonly size: number;
}

async function holdsKey(handle: FileHandle, { path, size }: File): Promise<boolean> {
  if (/\.(p12|pfx|jks)$/.test(path)) return true;
  const length = Math.min(size, KEY_BYTES_MAX);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead).includes("PRIVATE KEY-----");
}

function attributesText({ uid, gid, mode }: Stats): string {
  return `${uid} ${gid} ${mode & 0o770}`;
}
