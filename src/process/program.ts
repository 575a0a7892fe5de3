import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { type ChildStdin, childStdin } from "./stdin.ts";

export interface Program {
  /** Program and arguments; never through a shell. */
  readonly argv: readonly string[];
  /** Beside PATH, HOME, LANG and TZ; the worker's own environment may hold secrets and is not passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads on stdin; left out: nothing. */
  readonly stdin?: string | undefined;
  /** It is started with Node's own pipe, which is a socket, where no other can be made, as on a full disk. */
  readonly anyStdin?: boolean;
}

export interface Ended {
  /** Null: a signal ended it. */
  readonly code: number | null;
  readonly killedBy: string | null;
  /** The last 16 KiB of each, without a first line that was cut. */
  readonly stdout: string;
  readonly stderr: string;
  /** Length of all output, kept or dropped, in UTF-8. */
  readonly bytes: number;
}

/** Enough to show what went wrong. */
const OUTPUT_CHARS_MAX = 16 * 1024;
const KILL_AFTER_MS = 2_000;
/** A program that leaves a daemon behind keeps its pipes open. */
const CLOSE_AFTER_EXIT_MS = 500;

/**
 * Runs a program to its end. An abort ends its whole process group, and the end is awaited all the same. Throws the
 * error of the system when it cannot be started: `startProblem` says it for people.
 */
export async function runProgram(program: Program, signal: AbortSignal): Promise<Ended> {
  const [file = "", ...args] = program.argv;
  using stdin = await stdinOf(program);
  // `detached` makes it leader of its own process group: a script's children end with it.
  const child = spawn(file, args, {
    stdio: [stdin?.stdio ?? "pipe", "pipe", "pipe"],
    detached: true,
    shell: false,
    env: { ...inheritedEnv(), ...program.env },
  });
  stdin?.started();
  // A program that does not read its input has ended before it was written.
  child.stdin?.on("error", () => {});
  child.stdin?.end(program.stdin ?? "");
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new TypeError("spawn made no pipe");
  return await ended(child, { stdout, stderr }, signal);
}

/** null: Node's own pipe must do. */
async function stdinOf({ stdin: text, anyStdin = false }: Program): Promise<ChildStdin | null> {
  return await childStdin(text ?? null).catch((error: unknown) => {
    if (!anyStdin) throw error;
    return null;
  });
}

/** Why a program was not started, for people. */
export function startProblem(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") return "command not found";
  if (code === "EACCES") return "not allowed to execute it";
  return typeof code === "string" ? code : "it could not be started";
}

interface Output {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

function ended(child: ChildProcess, { stdout, stderr }: Output, signal: AbortSignal): Promise<Ended> {
  const out = collect(stdout);
  const err = collect(stderr);
  const stop = (): void => endGroup(child);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.once("exit", (code, killedBy) => {
      const finish = (): void =>
        resolve({ code, killedBy, stdout: out.text(), stderr: err.text(), bytes: out.bytes() + err.bytes() });
      const lingering = setTimeout(() => {
        stdout.destroy();
        stderr.destroy();
        finish();
      }, CLOSE_AFTER_EXIT_MS);
      child.once("close", () => {
        clearTimeout(lingering);
        finish();
      });
    });
  }).finally(() => signal.removeEventListener("abort", stop));
}

export interface Collected {
  /** The last 16 KiB without a first line that was cut. */
  text(): string;
  /** Length of everything, in UTF-8. */
  bytes(): number;
}

/** Keeps the end of what a stream says; the rest is counted and dropped, so that nothing blocks on a full pipe. */
export function collect(stream: NodeJS.ReadableStream): Collected {
  let tail = "";
  let isCut = false;
  let bytes = 0;
  stream.setEncoding("utf8");
  // What came before the error is what there is. Without a listener the error would end the process.
  stream.on("error", () => {});
  stream.on("data", (chunk: string) => {
    bytes += Buffer.byteLength(chunk);
    const all = tail + chunk;
    isCut ||= all.length > OUTPUT_CHARS_MAX;
    tail = all.slice(-OUTPUT_CHARS_MAX);
  });
  // A first line that was cut may be a part of a secret that masking no longer recognises.
  return { text: () => (isCut ? tail.slice(tail.indexOf("\n") + 1) : tail), bytes: () => bytes };
}

/** A script may end at once and leave children that ignore SIGTERM: no member of the group outlives its leader. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const group = -child.pid;
  signalGroup(group, "SIGTERM");
  const force = setTimeout(() => signalGroup(group, "SIGKILL"), KILL_AFTER_MS);
  child.once("exit", () => {
    clearTimeout(force);
    signalGroup(group, "SIGKILL");
  });
}

function signalGroup(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(group, name);
  } catch {
    // It ended by itself in the meantime.
  }
}

function inheritedEnv(): Record<string, string> {
  return Object.fromEntries(
    ["PATH", "HOME", "LANG", "TZ"].flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    ),
  );
}
