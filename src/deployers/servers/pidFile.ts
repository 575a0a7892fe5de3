import { readFile } from "node:fs/promises";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";

/** A server that reloads on a signal. */
export interface PidFile {
  readonly path: string;
  /** Names the process may have. Left out: any. */
  readonly programs?: readonly string[];
}

/** The first line is the number; PostgreSQL's file has more. It is never negative: for kill() that would be a group. */
const FIRST_LINE = /^\s*([1-9]\d{0,9})\s*(?:\n|$)/;

/**
 * Sends a signal to the process in this pid file; 0 only checks that it runs. Throws `deploy.unreachable` when the
 * server does not run, `deploy.forbidden` when renewd may not send it signals.
 */
export async function signalServer(
  { path, programs }: PidFile,
  name: NodeJS.Signals | 0,
  signal: AbortSignal,
): Promise<void> {
  const pid = await readPid(path, signal);
  await requireProgram(pid, path, programs);
  signal.throwIfAborted();
  try {
    process.kill(pid, name);
  } catch (error) {
    throw notSignalled(error, pid, path);
  }
}

export async function readPid(path: string, signal: AbortSignal): Promise<number> {
  const text = await readFile(path, { encoding: "utf8", signal }).catch((error: NodeJS.ErrnoException) => {
    signal.throwIfAborted();
    if (error.code !== "ENOENT") throw fileError(error, `pid file ${path}`);
    throw new RenewalError(
      "deploy.unreachable",
      `there is no pid file ${path}: start the server, or name the file it writes`,
      { cause: error },
    );
  });
  const pid = FIRST_LINE.exec(text)?.[1];
  if (pid === undefined)
    throw new RenewalError(
      "deploy.unreachable",
      `pid file ${path} does not begin with a process number: is it the server's?`,
    );
  return Number(pid);
}

/** A crashed server leaves its file, and another process may get the number. Without /proc this cannot be checked. */
async function requireProgram(pid: number, path: string, programs: readonly string[] | undefined): Promise<void> {
  if (programs === undefined) return;
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => null);
  if (name === null || programs.includes(name.trim())) return;
  throw new RenewalError(
    "deploy.unreachable",
    `pid file ${path} names process ${pid}, which is ${JSON.stringify(name.trim())} and not ` +
      `${programs.join(" or ")}: it is left over, start the server`,
  );
}

function notSignalled(error: unknown, pid: number, path: string): RenewalError {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "EPERM") {
    return new RenewalError(
      "deploy.forbidden",
      `not allowed to signal process ${pid} (pid file ${path}): run renewd as root or as the server's user`,
      {
        cause: error,
      },
    );
  }
  return new RenewalError(
    "deploy.unreachable",
    `pid file ${path} names process ${pid}, which does not run: start the server`,
    { cause: error },
  );
}
