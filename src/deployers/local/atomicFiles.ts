import { randomBytes } from "node:crypto";
import { renameSync, type Stats, unlinkSync } from "node:fs";
import {
  chmod,
  chown,
  constants,
  copyFile,
  link,
  lstat,
  open,
  readdir,
  readFile,
  realpath,
  stat,
  unlink,
} from "node:fs/promises";
import { basename, dirname } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import { type Directory, openDirectory } from "./directory.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

const COMPARE_BYTES_MAX = 1024 * 1024;

export interface FileToWrite {
  /** Absolute. */
  readonly path: string;
  /** Existing directory that must contain the file after all links are followed. */
  readonly root: string;
  readonly content: string | Uint8Array;
  /** Rename it even if it is as wanted already: for readers that act on the rename and may have missed the last one. */
  readonly always?: boolean;
  /** Holds the private key: 0600 by default, and what others may do with the file today is not carried over. */
  readonly secret: boolean;
  /** Left out: as the file has it today, else by `secret`. */
  readonly mode?: number;
  /** Left out: as the file has it today, as far as we may. */
  readonly uid?: number;
  readonly gid?: number;
}

/** Files that are written and durable beside their final place. Disposing removes those that are not swapped. */
export interface StagedFiles extends AsyncDisposable {
  /** False when every file is as wanted already. */
  readonly changed: boolean;
  /** Puts all in place, in the order given, or none: on failure those already swapped go back. */
  swap(): Promise<void>;
  /** Undoes `swap`. */
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
}

/**
 * Writes every file to a temporary name in its own directory (0600 from the start, owner and mode set, fsynced). A lack
 * of space or permission shows here, before any file is replaced. The caller holds the lock of the first file's root.
 * Throws `deploy.io`, or `deploy.refused` for a path that leads out of its root.
 */
export async function stageFiles(files: readonly FileToWrite[], signal: AbortSignal): Promise<StagedFiles> {
  await using undo = new AsyncDisposableStack();
  const directories = new Map<string, Directory>();
  const staged: Staged[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    const parent = dirname(file.path);
    const directory = directories.get(parent) ?? undo.use(await openDirectory(parent, file.root));
    directories.set(parent, directory);
    await removeStrays(directory, basename(file.path));
    staged.push(await stage(file, directory, undo).catch((error) => raise(error, file.path)));
  }
  signal.throwIfAborted();
  const kept = undo.move();
  return {
    changed: staged.some(({ temporary }) => temporary !== null),
    async swap() {
      swapAll(staged);
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

async function stage(file: FileToWrite, directory: Directory, undo: AsyncDisposableStack): Promise<Staged> {
  const name = basename(file.path);
  const final = directory.at(name);
  const existing = await currentFile(file, directory);
  const wanted = wantedAttributes(file, existing);
  if (file.always !== true && existing !== null && (await isAsWanted(final, existing, file, wanted)))
    return { file, directory, final, temporary: null, backup: null };

  const suffix = randomBytes(6).toString("hex");
  const temporary = directory.at(`${strayPrefix(name)}${suffix}.new`);
  const handle = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  undo.defer(() => removeIfThere(temporary));
  try {
    await handle.writeFile(file.content);
    await takeOwnership(handle, file, wanted);
    await handle.chmod(wanted.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (existing === null) return { file, directory, final, temporary, backup: null };
  const backup = directory.at(`${strayPrefix(name)}${suffix}.old`);
  undo.defer(() => removeIfThere(backup));
  await keep(final, backup, existing);
  return { file, directory, final, temporary, backup };
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

interface Attributes {
  readonly mode: number;
  readonly uid: number | null;
  readonly gid: number | null;
}

/** A renewal must not change who can read a file, or the server that reads it fails at its next start. */
export function wantedAttributes(file: FileToWrite, existing: Pick<Stats, "mode" | "uid" | "gid"> | null): Attributes {
  const inherited = existing === null ? null : file.secret ? existing.mode & 0o770 : existing.mode & 0o777;
  return {
    mode: file.mode ?? inherited ?? (file.secret ? 0o600 : 0o644),
    uid: file.uid ?? existing?.uid ?? null,
    gid: file.gid ?? existing?.gid ?? null,
  };
}

async function isAsWanted(final: string, existing: Stats, file: FileToWrite, wanted: Attributes): Promise<boolean> {
  if ((existing.mode & 0o7777) !== wanted.mode || existing.uid !== wanted.uid || existing.gid !== wanted.gid)
    return false;
  if (existing.size > COMPARE_BYTES_MAX) return false;
  return (await readFile(final)).equals(Buffer.from(file.content));
}

type Handle = Awaited<ReturnType<typeof open>>;

async function takeOwnership(handle: Handle, file: FileToWrite, wanted: Attributes): Promise<void> {
  const own = await handle.stat();
  const uid = wanted.uid ?? own.uid;
  const gid = wanted.gid ?? own.gid;
  if (uid === own.uid && gid === own.gid) return;
  const asked = file.uid !== undefined || file.gid !== undefined;
  await handle.chown(uid, gid).catch((error) => {
    // Only root may give files away. Unasked, keeping the owner is a courtesy; asked, it is a promise.
    if (asked) throw error;
  });
}

async function keep(final: string, backup: string, existing: Stats): Promise<void> {
  const linked = await link(final, backup).then(
    () => true,
    () => false,
  );
  if (linked) return;
  // Some file systems have no hard links.
  await copyFile(final, backup, constants.COPYFILE_EXCL);
  await chmod(backup, existing.mode & 0o7777);
  await chown(backup, existing.uid, existing.gid).catch(() => undefined);
}

function strayPrefix(name: string): string {
  return `.${name}.renewd-`;
}

/** Under the lock there is no other writer, so a crash left what is found. */
async function removeStrays(directory: Directory, name: string): Promise<void> {
  const strays = (await readdir(directory.at("."))).filter((entry) => entry.startsWith(strayPrefix(name)));
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
