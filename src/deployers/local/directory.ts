import { existsSync, readlinkSync } from "node:fs";
import { constants, type FileHandle, mkdir, open, readdir, realpath } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/** Node has no openat(), but a path through an open directory's descriptor means the same. */
const DESCRIPTORS = existsSync("/proc/self/fd") ? "/proc/self/fd" : null;

/**
 * An open directory. Its files are reached through the descriptor, so that a link cannot replace the directory
 * meanwhile.
 */
export interface Directory extends AsyncDisposable {
  /** For people. */
  readonly path: string;
  at(name: string): string;
  /** What was in it when this was first asked. A directory may hold thousands of files. */
  names(): Promise<readonly string[]>;
  /** Makes renames in it durable. */
  sync(): Promise<void>;
}

/**
 * Opens `path`, creating what is missing below `root`. Throws `deploy.refused` when a link leads out of `root`;
 * `root` itself must exist. It may contain links: the operator configured it.
 */
export async function openDirectory(path: string, root: string): Promise<Directory> {
  const top = await realpath(root).catch((error) => fail(error, `directory ${root}`));
  let current = top;
  for (const segment of relative(root, path).split(sep)) {
    if (segment === "") continue;
    const next = join(current, segment);
    // Readable by all: the files in it protect themselves, and public ones must be reachable.
    await mkdir(next, 0o755).catch((error: NodeJS.ErrnoException) =>
      error.code === "EEXIST" ? undefined : fail(error, `directory ${next}`),
    );
    current = await realpath(next).catch((error) => fail(error, `directory ${next}`));
    requireInside(current, top, path);
  }
  const handle = await open(current, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch((error) =>
    fail(error, `directory ${current}`),
  );
  try {
    // The path may have changed between realpath and open: only the open directory counts. /proc waits for nothing.
    if (DESCRIPTORS !== null) requireInside(readlinkSync(`${DESCRIPTORS}/${handle.fd}`), top, path);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return directoryOf(handle, current);
}

function directoryOf(handle: FileHandle, path: string): Directory {
  const at = (name: string): string => join(DESCRIPTORS === null ? path : `${DESCRIPTORS}/${handle.fd}`, name);
  let names: Promise<readonly string[]> | null = null;
  return {
    path,
    at,
    names: () => (names ??= readdir(at("."))),
    sync: () => handle.sync().catch((error) => fail(error, `directory ${path}`)),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

function requireInside(path: string, top: string, asked: string): void {
  if (path === top || path.startsWith(top === sep ? sep : top + sep)) return;
  throw new RenewalError(
    "deploy.refused",
    `${asked} leads out of ${top} to ${path} through a symbolic link; name the real directory instead`,
  );
}

function fail(error: unknown, what: string): never {
  throw fileError(error, what);
}
