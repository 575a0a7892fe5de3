import { renameSync, unlinkSync } from "node:fs";
import { lstat, readlink, symlink, unlink } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import type { Directory } from "../local/directory.ts";

export interface Link {
  /** Its name in the directory. */
  readonly name: string;
  /** What it points to. */
  readonly target: string;
}

interface Staged extends Link {
  /** Where it points now; null: there is none yet. */
  readonly before: string | null;
}

/** Links beside their final place. Disposing removes those that are not swapped. */
export interface StagedLinks extends AsyncDisposable {
  /** Lets every link point to its new target, each in one rename; on failure those already swapped go back. */
  swap(): Promise<void>;
  /** Whether any link pointed elsewhere. */
  readonly changed: boolean;
}

/** The caller holds the directory's lock. Throws `deploy.io`, or `deploy.refused` for a name that is not a link. */
export async function stageLinks(directory: Directory, links: readonly Link[]): Promise<StagedLinks> {
  const staged: Staged[] = [];
  for (const link of links) {
    const before = await current(directory, link.name);
    if (before !== link.target) staged.push({ ...link, before });
  }
  for (const { name, target } of staged) await stage(directory, name, target);
  return {
    changed: staged.length > 0,
    async swap() {
      await swapAll(directory, staged);
      // Also when nothing changed: the attempt that renamed may have died before this.
      await directory.sync();
    },
    async [Symbol.asyncDispose]() {
      for (const { name } of staged) await unlink(directory.at(temporary(name))).catch(() => undefined);
    },
  };
}

async function swapAll(directory: Directory, staged: readonly Staged[]): Promise<void> {
  const done: Staged[] = [];
  try {
    // Synchronous, so that readers see two generations for the shortest time.
    for (const one of staged) {
      renameSync(directory.at(temporary(one.name)), directory.at(one.name));
      done.push(one);
    }
  } catch (error) {
    for (const one of done.reverse()) await putBack(directory, one);
    throw fileError(error, `links in ${directory.path}`);
  }
}

async function current(directory: Directory, name: string): Promise<string | null> {
  const at = directory.at(name);
  const found = await lstat(at).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw fileError(error, `${directory.path}/${name}`);
  });
  if (found === null) return null;
  if (!found.isSymbolicLink()) {
    throw new RenewalError(
      "deploy.refused",
      `${directory.path}/${name} is not a link as in certbot's layout; remove it, or use the kind \`files\``,
    );
  }
  return await readlink(at);
}

async function stage(directory: Directory, name: string, target: string): Promise<void> {
  const at = directory.at(temporary(name));
  // Under the lock there is no other writer, so a crash left what is found.
  await unlink(at).catch(() => undefined);
  await symlink(target, at).catch((error) => {
    throw fileError(error, `${directory.path}/${name}`);
  });
}

async function putBack(directory: Directory, { name, before }: Staged): Promise<void> {
  if (before === null) return unlinkSync(directory.at(name));
  await stage(directory, name, before);
  renameSync(directory.at(temporary(name)), directory.at(name));
}

function temporary(name: string): string {
  return `.${name}.renewd-link`;
}
