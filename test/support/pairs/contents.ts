import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const BYTES_MAX = 256 * 1024 * 1024;

/**
 * Every file below a directory, by its path, as bytes. Read by another process: closing a database file here would drop
 * the locks that this process' own connection holds on it (sqlite.org/howtocorrupt.html §2.2), and its journal would be
 * deleted under it.
 */
export async function contents(directory: string): Promise<[string, string][]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  // A file may go while it is read, as Redis' temporary ones do.
  const read = (file: string): Promise<string> =>
    run("cat", ["--", file], { encoding: "latin1", maxBuffer: BYTES_MAX }).then(
      ({ stdout }) => stdout,
      () => "",
    );
  return Promise.all(files.map(async (file): Promise<[string, string]> => [file, await read(file)]));
}
