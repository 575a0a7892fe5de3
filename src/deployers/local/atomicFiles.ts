import { randomBytes } from "node:crypto";
import { renameSync, type Stats, unlinkSync } from "node:fs";
import { constants, copyFile, link, lstat, open, readFile, realpath, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import { type AskedAttributes, type Reader, type WantedAttributes, wantedAttributes } from "./attributes.ts";
import { type Directory, openDirectory } from "./directory.ts";
import { type Access, giveAccess } from "./fileAccess.ts";
import { modelOf, replacedFile } from "./model.ts";
import { refuseMountPoint } from "./mountPoint.ts";
import { type NewKey, nearbyAttributes } from "./nearby.ts";
import type { PlainFile, WrittenFiles } from "./plainFile.ts";
import { type KeyAccess, requireReadable } from "./reader.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

export interface FileToWrite extends AskedAttributes {
  /** Absolute. */
  readonly path: string;
  /** Existing directory that must contain the file after all links are followed. */
  readonly root: string;
  readonly content: string | Uint8Array;
  /** False: renewd never wrote here, so a file that holds no pair belongs to somebody. Left out: it did. */
  readonly isOwn?: boolean;
  /** SHA-256 of the certificates that renewd wrote here last; undefined or left out: not known. */
  readonly certificates?: readonly string[] | undefined;
  /** Overwrite a file whose content cannot be kept. Left out: it is refused. */
  readonly adopt?: boolean;
  /** Rename it even if it is as wanted already: for readers that act on the rename and may have missed the last one. */
  readonly always?: boolean;
  /** Left out: as the file has it today; a new key's as the keys beside it or its directory have it. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** For a file with a new name: the path of the file whose attributes it takes over, if that exists. */
  readonly replaces?: string;
  /** The user of the running server, who must be able to read a key; null or left out: not known. */
  readonly reader?: Reader | null;
  /** Only renewd reads it: ACL and extended attributes of the file of today are not carried over. */
  readonly plain?: boolean;
  /** What the record says of the file of today; left out: nothing is known. */
  readonly plainFile?: PlainFile;
}

/** A file whose content is not known yet. */
export type FileToTry = Omit<FileToWrite, "content" | "always" | "isOwn" | "certificates"> & {
  /** A deploy writes PEM there, so it reads what the file in place holds beside a pair. */
  readonly holdsPem?: boolean;
};

/** The record beside a pair. It is swapped first. */
export type RecordOf = (written: WrittenFiles) => FileToWrite;

/** Files that are written and durable beside their final place. Disposing removes those that are not swapped. */
export interface StagedFiles extends AsyncDisposable {
  /** False when every file is as wanted already. */
  readonly changed: boolean;
  /** Files of the pair were missing before, and none is replaced: there is no previous pair to go back to. */
  readonly first: boolean;
  /** What could not be carried over from the files of today, for people. */
  readonly notes: readonly string[];
  /** Puts all in place, in the order given, or none: on failure those already swapped go back. */
  swap(): Promise<void>;
  /** Undoes `swap`. Where the pair is the `first`, removes its files. */
  restore(): Promise<void>;
}

interface Staged {
  readonly file: FileToWrite;
  readonly directory: Directory;
  readonly final: string;
  /** null: the file is as wanted already. */
  readonly temporary: string | null;
  /** A second name of the file being replaced; null: there is none. */
  readonly backup: string | null;
  /** What could not be carried over; null: nothing. */
  readonly note: string | null;
  /** The mode that it has, or will have. */
  readonly mode: number;
  /** Its number, if it got nothing but an owner and a mode; null: more, or nobody knows. */
  readonly plain: string | null;
}

/**
 * Writes every file to a temporary name in its own directory (0600 from the start, owner and mode set, fsynced). A lack
 * of space or permission shows here, before any file is replaced. The caller holds the lock of the first file's root.
 * Throws `deploy.io`, or `deploy.refused` for a path that leads out of its root.
 */
export async function stageFiles(
  files: readonly FileToWrite[],
  signal: AbortSignal,
  recordOf: RecordOf | null = null,
): Promise<StagedFiles> {
  await using undo = new AsyncDisposableStack();
  await using temporaries = new AsyncDisposableStack();
  const directories = new Map<string, Directory>();
  const stageOne = async (file: FileToWrite): Promise<Staged> => {
    signal.throwIfAborted();
    const parent = dirname(file.path);
    const directory = directories.get(parent) ?? undo.use(await openDirectory(parent, file.root));
    directories.set(parent, directory);
    await removeStrays(directory, basename(file.path));
    return await stage(file, directory, { undo, temporaries }).catch((error) => raise(error, file.path));
  };
  const pairFiles: Staged[] = [];
  for (const file of files) pairFiles.push(await stageOne(file));
  const records = recordOf === null ? [] : [await stageOne(recordOf(writtenFiles(pairFiles)))];
  const staged = [...records, ...pairFiles];
  signal.throwIfAborted();
  const unswapped = undo.use(temporaries.move());
  const kept = undo.move();
  return {
    changed: staged.some(({ temporary }) => temporary !== null),
    first: isFirst(pairFiles.filter(({ temporary }) => temporary !== null)),
    notes: staged.flatMap(({ note }) => (note === null ? [] : [note])),
    async swap() {
      swapAll(staged);
      // None of them is there any more.
      unswapped.move();
      // Also when nothing changed: the attempt that renamed may have died before this.
      for (const directory of directories.values()) await directory.sync();
    },
    async restore() {
      for (const one of staged.toReversed()) putBack(one);
      for (const directory of directories.values()) await directory.sync();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Whether none of the files that are written replaces another. */
export function isFirst(written: readonly { readonly backup: string | null }[]): boolean {
  return written.length > 0 && written.every(({ backup }) => backup === null);
}

/** The path under which the record names a file. */
export function recordedPath({ path, replaces }: Pick<FileToWrite, "path" | "replaces">): string {
  return replaces ?? path;
}

function writtenFiles(staged: readonly Staged[]): WrittenFiles {
  return {
    keyModes: new Map(staged.filter(({ file }) => file.secret).map(({ file, mode }) => [recordedPath(file), mode])),
    plainFiles: new Map(staged.flatMap(({ file, plain }) => (plain === null ? [] : [[recordedPath(file), plain]]))),
  };
}

/** What removes the files that are written; first of all those that are not swapped. */
interface Leftovers {
  readonly undo: AsyncDisposableStack;
  readonly temporaries: AsyncDisposableStack;
}

async function stage(file: FileToWrite, directory: Directory, { undo, temporaries }: Leftovers): Promise<Staged> {
  const name = basename(file.path);
  const final = directory.at(name);
  const existing = await currentFile(file, directory);
  if (existing !== null) refuseMountPoint({ path: file.path, real: join(directory.path, name) });
  const replaced = existing === null ? await replacedFile(file.replaces) : { at: final, stats: existing };
  const nearby = replaced === null && file.secret ? await nearbyAttributes(directory, newKey(file)) : null;
  const wanted = wantedAttributes(file, replaced?.stats ?? null, nearby);
  if (file.always !== true && existing !== null && (await isAsWanted(final, existing, file, wanted))) {
    await checkReader(file, { at: final, attributes: existing });
    const kept = { mode: wanted.mode, plain: file.plainFile?.ino ?? null };
    return { file, directory, final, temporary: null, backup: null, note: null, ...kept };
  }

  const suffix = randomBytes(6).toString("hex");
  const temporary = directory.at(`${strayPrefix(name)}${suffix}.new`);
  temporaries.defer(() => removeIfThere(temporary));
  const model = modelOf(file, { replaced, nearby, wanted });
  const access = { asked: file, wanted, model, replaced: replaced?.stats ?? null };
  const note = await write(file, temporary, access);
  const written = await stat(temporary);
  await checkReader(file, { at: temporary, attributes: written });
  const mode = written.mode & 0o7777;
  const plain = model === null ? String(written.ino) : null;
  if (existing === null) return { file, directory, final, temporary, backup: null, note, mode, plain };
  const backup = directory.at(`${strayPrefix(name)}${suffix}.old`);
  undo.defer(() => removeIfThere(backup));
  await keep(final, backup, existing);
  return { file, directory, final, temporary, backup, note, mode, plain };
}

/** Returns what could not be carried over. The attributes come first: no copied mode may show a key for a moment. */
async function write(file: FileToWrite, temporary: string, access: Access): Promise<string | null> {
  const handle = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const note = await giveAccess({ at: temporary, path: file.path }, access);
    await handle.writeFile(file.content);
    await handle.sync();
    return note;
  } finally {
    await handle.close();
  }
}

function newKey({ path, root }: FileToWrite): NewKey {
  return { name: basename(path), ownDirectory: dirname(path) !== root };
}

async function checkReader({ secret, reader, path }: FileToWrite, key: Omit<KeyAccess, "path">): Promise<void> {
  if (secret && reader != null) await requireReadable(reader, { ...key, path });
}

// Synchronous, so that no other code of this process runs between the first rename and the last.
function swapAll(staged: readonly Staged[]): void {
  const done: Staged[] = [];
  for (const one of staged) {
    if (one.temporary === null) continue;
    try {
      renameSync(one.temporary, one.final);
      done.push(one);
    } catch (error) {
      for (const swapped of done.reverse()) putBack(swapped);
      throw fileError(error, one.file.path);
    }
  }
}

function putBack({ file, temporary, backup, final }: Staged): void {
  if (temporary === null) return;
  try {
    if (backup === null) unlinkSync(final);
    else renameSync(backup, final);
  } catch (error) {
    throw fileError(error, `${file.path} (putting the previous file back)`);
  }
}

/** The file replaces a link inside the directory; a link to elsewhere is part of another layout and must stay. */
async function currentFile(file: FileToWrite, directory: Directory): Promise<Stats | null> {
  const final = directory.at(basename(file.path));
  const existing = await lstat(final).catch(ignoreMissing);
  if (existing === null || existing.isFile()) return existing;
  if (!existing.isSymbolicLink())
    throw new RenewalError("deploy.refused", `${file.path} exists and is not a regular file`);
  const target = await realpath(final).catch(ignoreMissing);
  if (target === null || dirname(target) !== directory.path) {
    throw new RenewalError(
      "deploy.refused",
      `${file.path} is a symbolic link out of its directory; name the real file instead`,
    );
  }
  return stat(final);
}

async function isAsWanted(
  final: string,
  existing: Stats,
  file: FileToWrite,
  wanted: WantedAttributes,
): Promise<boolean> {
  if ((existing.mode & 0o7777) !== wanted.mode || existing.uid !== wanted.uid || existing.gid !== wanted.gid)
    return false;
  const content = Buffer.from(file.content);
  return existing.size === content.length && (await readFile(final)).equals(content);
}

async function keep(final: string, backup: string, existing: Stats): Promise<void> {
  const linked = await link(final, backup).then(
    () => true,
    () => false,
  );
  if (linked) return;
  // Some file systems have no hard links.
  const handle = await open(backup, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  await handle.close();
  const { uid, gid, mode } = existing;
  const wanted = { uid, gid, mode: mode & 0o7777 };
  const model = { at: final, extendedAttributes: true };
  const access = { asked: { secret: true }, wanted, model, replaced: null };
  await giveAccess({ at: backup, path: backup }, access);
  await copyFile(final, backup);
}

function strayPrefix(name: string): string {
  return `.${name}.renewd-`;
}

/** Under the lock there is no other writer, so a crash left what is found. */
async function removeStrays(directory: Directory, name: string): Promise<void> {
  const strays = (await directory.names()).filter((entry) => entry.startsWith(strayPrefix(name)));
  for (const stray of strays) await removeIfThere(directory.at(stray));
}

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch(ignoreMissing);
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}

function raise(error: unknown, path: string): never {
  throw fileError(error, path);
}
