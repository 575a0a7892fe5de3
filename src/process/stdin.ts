import { execFile } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

const MKFIFO_TIMEOUT_MS = 5_000;

/** What a child process reads on stdin. Dispose it when the child has ended. */
export interface ChildStdin extends Disposable {
  /** For `stdio` of `spawn`. */
  readonly stdio: number | "ignore";
  /** Call it once the child is started: only the child may keep the reading end, so that its exit ends the writing. */
  started(): void;
}

const NOTHING: ChildStdin = { stdio: "ignore", started: () => undefined, [Symbol.dispose]: () => undefined };

/**
 * A pipe with `text` in it, or /dev/null for null. Never what Node calls a pipe: that is a socket, and a bash that
 * finds a socket on stdin takes itself for a child of rshd and runs the user's ~/.bashrc. The text stays in memory: a
 * named pipe holds nothing on disk. Throws the error of the system, also where `mkfifo` is missing.
 */
export async function childStdin(text: string | null): Promise<ChildStdin> {
  if (text === null) return NOTHING;
  const { reader, writer } = await openPipe();
  const socket = new Socket({ fd: writer, readable: false, writable: true });
  // A child that does not read it all is judged by its exit code.
  socket.on("error", () => undefined);
  socket.end(text);
  let open = true;
  const closeReader = (): void => {
    if (open) closeSync(reader);
    open = false;
  };
  return {
    stdio: reader,
    started: closeReader,
    [Symbol.dispose]() {
      closeReader();
      socket.destroy();
    },
  };
}

async function openPipe(): Promise<{ readonly reader: number; readonly writer: number }> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-stdin-"));
  try {
    const path = join(directory, "stdin");
    await promisify(execFile)("mkfifo", ["-m", "600", path], { timeout: MKFIFO_TIMEOUT_MS });
    return openEnds(path);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * No open here can block: without O_NONBLOCK the first end waits for the other. A child's end must block when it reads.
 */
function openEnds(path: string): { readonly reader: number; readonly writer: number } {
  const first = openSync(path, O_RDONLY | O_NONBLOCK);
  try {
    const writer = openSync(path, O_WRONLY | O_NONBLOCK);
    try {
      return { writer, reader: openSync(path, O_RDONLY) };
    } catch (error) {
      closeSync(writer);
      throw error;
    }
  } finally {
    closeSync(first);
  }
}
