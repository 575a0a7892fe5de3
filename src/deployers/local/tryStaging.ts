import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type FileToTry, type FileToWrite, stageFiles } from "./atomicFiles.ts";
import type { LockOptions } from "./directoryLock.ts";
import { tryForeignBlocks } from "./foreignBlocks.ts";
import { readRecord, recordPath } from "./generationFile.ts";
import { checkWritable, withDirectoryLock, withWritten } from "./pairFiles.ts";

/** About as long as a pair, so that a full disk shows. Not PEM: nobody can take it for one. */
export const PLACEHOLDER: string = "renewd tries whether it may write here\n".repeat(200);

/**
 * For preflight: what a deploy does with these files up to the swap, with a text in place of the pair, under the same
 * lock (`lock`: another one than the directory's, or shared). Throws what the deploy would throw. Leaves nothing but the lock,
 * and creates no directory: of those that are missing the one above is tried.
 */
export async function tryStaging(
  files: readonly FileToTry[],
  signal: AbortSignal,
  lock: LockOptions = {},
): Promise<void> {
  const [first] = files;
  if (first === undefined) return;
  await checkWritable(files);
  const record = { path: recordPath(first.path), root: first.root, secret: false };
  const stage = async (): Promise<void> => {
    const held = await readRecord(first.path);
    const isOwn = held !== null;
    const tried = await Promise.all([record, ...(await withWritten(files, first.path, held))].map(asPlaceholder));
    await using _staged = await stageFiles(tried, signal);
    for (const file of files) await tryForeignBlocks(file, isOwn);
  };
  await withDirectoryLock(first.root, signal, stage, lock);
}

async function asPlaceholder(file: FileToTry): Promise<FileToWrite> {
  const wanted = dirname(file.path);
  let parent = wanted;
  while (parent !== file.root && parent !== dirname(parent) && !(await isThere(parent))) parent = dirname(parent);
  const path = parent === wanted ? file.path : join(parent, `.renewd-preflight-${basename(file.path)}`);
  return { ...file, path, content: PLACEHOLDER, always: true };
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
