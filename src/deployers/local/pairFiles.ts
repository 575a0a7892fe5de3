import { constants } from "node:fs";
import { access, lstat, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import { keyFileMembers } from "../../domain/leftTarget.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { fileError } from "../base/fileError.ts";
import { type GenerationRecord, refuseOlder, writtenCertificates, writtenMode } from "../base/generationRecord.ts";
import { type FileToTry, type FileToWrite, recordedPath, type StagedFiles, stageFiles } from "./atomicFiles.ts";
import { openDirectory } from "./directory.ts";
import { type LockOptions, lockDirectory } from "./directoryLock.ts";
import { withForeignBlocks } from "./foreignBlocks.ts";
import { inPlace, readRecord, recordFile, recordPath } from "./generationFile.ts";

export interface PairFiles {
  readonly pair: IssuedCertificate;
  /** In the order of the swap: the file that a server watches comes last. */
  readonly files: readonly [FileToWrite, ...FileToWrite[]];
}

/**
 * Stages a pair's files under the directory's lock, and lets `use` swap them. `written`: what they hold then, settings of
 * the files in place included. `lock`: a shared one.
 */
export async function withStagedPair<T>(
  { pair, files }: PairFiles,
  signal: AbortSignal,
  use: (staged: StagedFiles, written: readonly FileToWrite[]) => Promise<T>,
  lock?: Pick<LockOptions, "files">,
): Promise<T> {
  const stage = async (): Promise<T> => {
    const written = await filesToWrite({ pair, files });
    await using staged = await stageWritten({ pair, files }, written, signal);
    return await use(staged, written);
  };
  return await withDirectoryLock(files[0].root, signal, stage, lock);
}

/** Waits for the directory's lock and holds it while `use` runs. */
export async function withDirectoryLock<T>(
  root: string,
  signal: AbortSignal,
  use: () => Promise<T>,
  options?: LockOptions,
): Promise<T> {
  await using directory = await openDirectory(root, root);
  using _lock = await lockDirectory(directory, signal, options);
  return await use();
}

/**
 * For holders of the lock of the first file's root. Refuses a pair that is older than the one in place. The record of
 * the generation is swapped first: if this process dies between two renames, an older pair is refused from then on, and
 * the next attempt compares contents and finishes.
 */
export async function stagePair(pairFiles: PairFiles, signal: AbortSignal): Promise<StagedFiles> {
  return await stageWritten(pairFiles, await filesToWrite(pairFiles), signal);
}

async function filesToWrite({ pair, files }: PairFiles): Promise<readonly FileToWrite[]> {
  const [first] = files;
  const record = await readRecord(first.path);
  refuseOlder(pair, await inPlace(record, files), recordPath(first.path));
  const asked = (await withWritten(files, first.path, record)).map((file) => ({ ...file, ...writtenBefore(record) }));
  return await Promise.all(asked.map(withForeignBlocks));
}

function stageWritten(
  { pair, files: [first] }: PairFiles,
  written: readonly FileToWrite[],
  signal: AbortSignal,
): Promise<StagedFiles> {
  return stageFiles(written, signal, (made) => recordFile(first, pair, made));
}

/** What the record says of what is in place. */
function writtenBefore(record: GenerationRecord | null): Pick<FileToWrite, "isOwn" | "certificates"> {
  return { isOwn: record !== null, certificates: writtenCertificates(record) };
}

/** Files with what the record beside `firstFile` says of each. */
export async function withWritten<File extends FileToTry>(
  files: readonly File[],
  firstFile: string,
  record: GenerationRecord | null,
): Promise<File[]> {
  const recordedAt = record === null ? null : await stat(recordPath(firstFile)).then(({ ctimeMs }) => ctimeMs);
  return files.map((file) => {
    const path = recordedPath(file);
    const ino = record?.plainFiles?.[path];
    return {
      ...file,
      ...(file.secret && { written: writtenMode(record, path) }),
      ...(ino !== undefined && recordedAt !== null && { plainFile: { ino, recordedAt } }),
    };
  });
}

/** Where readers find the pair. */
type PairParts = readonly Pick<FileToWrite, "path" | "secret" | "content">[];

/**
 * The lock and the refusal alone, for layouts whose files are known only under the lock. The caller writes the record
 * beside `first`.
 */
export async function withPairLock<T>(
  pair: IssuedCertificate,
  { first, files }: { readonly first: Pick<FileToWrite, "path" | "root">; readonly files: PairParts },
  signal: AbortSignal,
  use: () => Promise<T>,
): Promise<T> {
  return await withDirectoryLock(first.root, signal, async () => {
    refuseOlder(pair, await inPlace(await readRecord(first.path), files), recordPath(first.path));
    return await use();
  });
}

/**
 * What a deployer of files returns, with what could not be carried over from the files of before. `keyFiles`: all that
 * hold the private key.
 */
export function filesReceipt(
  { generation, leaf }: IssuedCertificate,
  file: string,
  notes: readonly string[],
  keyFiles: readonly string[] = [file],
): DeployReceipt {
  const note = notes.length > 0 && { note: notes.join("; ") };
  return { generation, fingerprint: leaf.fingerprint, file, ...keyFileMembers(file, keyFiles), ...note };
}

/** Of files to write, those with the private key. */
export function keyFilesOf(files: readonly FileToWrite[]): string[] {
  return files.filter(({ secret }) => secret).map(({ path }) => path);
}

/** Throws what would make writing these paths fail, creating nothing. Directories below a root may still be missing. */
export async function checkWritable(files: readonly { readonly path: string; readonly root: string }[]): Promise<void> {
  for (const { path, root } of files) {
    const top = await realpath(root).catch((error) => raise(error, `directory ${root}`));
    const parent = await realpath(dirname(path)).catch((error: NodeJS.ErrnoException) =>
      error.code === "ENOENT" ? top : raise(error, dirname(path)),
    );
    if (parent !== top && !parent.startsWith(`${top === "/" ? "" : top}/`)) {
      throw new RenewalError(
        "deploy.refused",
        `${dirname(path)} leads out of ${top} to ${parent} through a symbolic link; name the real directory instead`,
      );
    }
    await access(parent, constants.W_OK | constants.X_OK).catch((error) => raise(error, `directory ${parent}`));
    const existing = await lstat(path).catch(() => null);
    if (existing?.isDirectory()) throw new RenewalError("deploy.refused", `${path} is a directory`);
  }
}

function raise(error: unknown, what: string): never {
  throw fileError(error, what);
}
