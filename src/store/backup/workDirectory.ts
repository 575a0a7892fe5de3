import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";

/** Runs `work` with a directory of its owner's alone inside `parent`, removed with all it holds however `work` ends. */
export async function withWorkDirectory<T>(parent: string, work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await fileStep(parent, () => mkdtemp(join(parent, ".renewd-backup-")));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What the file system refuses while `path` is read or written becomes `backup.file`. */
export async function fileStep<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    if (thrown instanceof RenewalError || !(thrown instanceof Error) || !("code" in thrown) || !("syscall" in thrown))
      throw thrown;
    throw new RenewalError("backup.file", `${path}: ${thrown.message}`, { cause: thrown });
  }
}
