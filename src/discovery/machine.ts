import { glob, open, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";

/** Configuration of web servers is smaller, and what is larger is no configuration. */
const FILE_BYTES_MAX = 1_048_576;
/** Of a machine with some thousand certificates, each with files of a client and of a server. */
const FILES_MAX = 20_000;

/**
 * The files of one machine, below `root` (a test's, or a mounted image's; `/` is this machine). Reads, never writes.
 */
export interface Machine {
  /** null: there is no such file. What cannot be read is noted and counts as absent. */
  read(path: string): Promise<string | null>;
  /** Absolute paths that match a pattern of `include`, in order. */
  matching(pattern: string): Promise<readonly string[]>;
  /** Names in a directory; none: there is no such directory. */
  list(directory: string): Promise<readonly string[]>;
  /** Where symbolic links lead, to know that two paths are one file; the path itself where that cannot be known. */
  real(path: string): Promise<string>;
  /** What was not understood, beside what could not be read. */
  note(sentence: string): void;
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
      if (files === FILES_MAX + 1) unreadable.push(`more than ${FILES_MAX} files: from ${path} on none was read`);
      if (files > FILES_MAX) return null;
      try {
        const found = await stat(join(root, path));
        if (!found.isFile()) return null;
        await using file = await open(join(root, path), "r");
        const bytes = Math.min(found.size, FILE_BYTES_MAX);
        const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
        return buffer.toString("utf8", 0, bytesRead);
      } catch (error) {
        return absent(path, error);
      }
    },
    async matching(pattern) {
      if (!/[*?[]/.test(pattern)) return [pattern];
      const found: string[] = [];
      try {
        for await (const path of glob(join(root, pattern))) {
          found.push(path.slice(root === "/" ? 0 : root.length));
          if (found.length > FILES_MAX) break;
        }
      } catch (error) {
        absent(pattern, error);
      }
      return found.sort();
    },
    async real(path) {
      return await realpath(join(root, path)).catch(() => path);
    },
    note(sentence) {
      if (!unreadable.includes(sentence)) unreadable.push(sentence);
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
