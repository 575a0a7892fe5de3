import type { Stats } from "node:fs";
import { lstat, readlink, realpath, stat } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { directoryFault, ownerFault, processUser, quoted } from "../../domain/ownership.ts";

/** SQLite's own files beside the database. */
const BESIDE = ["-wal", "-shm", "-journal"];

/** Owners and links before anything is opened or changed: a link would have its target's mode changed. */
export async function refuseExposed(file: string, directory: string): Promise<void> {
  const user = processUser();
  if (user === null) return;
  const fault = directoryFault(directory, await stat(directory), user);
  if (fault !== null) throw new RenewalError("store.exposed", fault);
  await refuseLinks(file);
  for (const path of pathsOf(file)) {
    const found = await lstatOrNull(path);
    const foreign = found && ownerFault(path, found, user);
    if (foreign !== null) throw new RenewalError("store.exposed", foreign);
  }
}

/** Also for those who only read: SQLite would create its files beside the link's target. */
export async function refuseLinks(file: string): Promise<void> {
  for (const path of pathsOf(file)) {
    if (!(await lstatOrNull(path))?.isSymbolicLink()) continue;
    const command = path === file ? await commandToMove(file) : `rm ${quoted(path)}`;
    throw new RenewalError(
      "store.exposed",
      `${path} is a link to ${await readlink(path)}: stop renewd, then set \`store.file\` to the database itself, or ` +
        `run: ${command}`,
    );
  }
}

/** What is not in the database yet is in the journal beside the link's target. */
async function commandToMove(file: string): Promise<string> {
  const target = await realpath(file).catch(() => null);
  if (target === null) return `rm ${quoted(file)}`;
  const moves = [`mv ${quoted(target)} ${quoted(file)}`];
  for (const suffix of BESIDE) {
    if ((await lstatOrNull(target + suffix)) === null) continue;
    moves.push(`mv ${quoted(target + suffix)} ${quoted(file + suffix)}`);
  }
  return moves.join(" && ");
}

function pathsOf(file: string): string[] {
  return [file, ...BESIDE.map((suffix) => file + suffix)];
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
}
