import { glob, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Configuration of web servers is smaller, and what is larger is no configuration. */
const FILE_BYTES_MAX = 1_048_576;
const FILES_MAX = 2_000;

/** The files of one machine, below `root` (a test's, or a mounted image's; `/` is this machine). Reads, never writes. */
export interface Machine {
  /** null: there is no such file. What cannot be read is noted and counts as absent. */
  read(path: string): Promise<string | null>;
  /** Absolute paths that match a pattern of `include`, in order. */
  matching(pattern: string): Promise<readonly string[]>;
  /** Names in a directory; none: there is no such directory. */
  list(directory: string): Promise<readonly string[]>;
  readonly unreadable: readonly string[];
}

export function machineAt(root: string, signal: AbortSignal): Machine {
  const unreadable: string[] = [];
  let files = 0;
  const absent = (path: string, error: unknown): null => {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code !== "ENOENT" && code !== "ENOTDIR") unreadable.push(`${path} cannot be read (${code})`);
    return null;
  };
  return {
    unreadable,
    async read(path) {
      signal.throwIfAborted();
      files += 1;
      if (files > FILES_MAX) throw new Error(`more than ${FILES_MAX} configuration files`);
      try {
        const found = await stat(join(root, path));
        if (!found.isFile()) return null;
        await using file = await open(join(root, path), "r");
        const { buffer, bytesRead } = await file.read(Buffer.alloc(FILE_BYTES_MAX), 0, FILE_BYTES_MAX, 0);
        return buffer.toString("utf8", 0, bytesRead);
      } catch (error) {
        return absent(path, error);
      }
    },
    async matching(pattern) {
      if (!/[*?[]/.test(pattern)) return [pattern];
      const found: string[] = [];
      for await (const path of glob(join(root, pattern))) {
        found.push(path.slice(root === "/" ? 0 : root.length));
        if (found.length > FILES_MAX) break;
      }
      return found.sort();
    },
    async list(directory) {
      try {
        return (await readdir(join(root, directory))).sort();
      } catch (error) {
        absent(directory, error);
        return [];
      }
    },
  };
}
