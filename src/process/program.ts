import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";

export interface Program {
  /** Program and arguments; never through a shell. */
  readonly argv: readonly string[];
  /** Beside PATH, HOME, LANG and TZ; the worker's own environment may hold secrets and is not passed on. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Ended {
  /** Null: a signal ended it. */
  readonly code: number | null;
  readonly killedBy: string | null;
  /** The last 16 KiB of each, without a first line that was cut. */
  readonly stdout: string;
  readonly stderr: string;
}

const OUTPUT_CHARS_MAX = 16 * 1024;
const KILL_AFTER_MS = 2_000;
/** A program that leaves a daemon behind keeps its pipes open. */
const CLOSE_AFTER_EXIT_MS = 500;

/**
 * Runs a program to its end; stdin is /dev/null. An abort ends its whole process group, and the end is awaited all the
 * same. Throws the error of the system when it cannot be started.
 */
export function runProgram({ argv, env }: Program, signal: AbortSignal): Promise<Ended> {
  const [program = "", ...args] = argv;
  // `detached` makes it leader of its own process group: a script's children end with it.
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    shell: false,
    env: { ...inheritedEnv(), ...env },
  });
  const { stdout, stderr } = child;
  const out = tailOf(stdout);
  const err = tailOf(stderr);
  const stop = (): void => endGroup(child);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.once("exit", (code, killedBy) => {
      const finish = (): void => resolve({ code, killedBy, stdout: out(), stderr: err() });
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

/** Keeps the end of what a stream says; the rest is read and dropped, so that nothing blocks on a full pipe. */
function tailOf(stream: Readable): () => string {
  let tail = "";
  let isCut = false;
  stream.setEncoding("utf8");
  // What came before the error is what there is. Without a listener the error would end the process.
  stream.on("error", () => {});
  stream.on("data", (chunk: string) => {
    const all = tail + chunk;
    isCut ||= all.length > OUTPUT_CHARS_MAX;
    tail = all.slice(-OUTPUT_CHARS_MAX);
  });
  // A first line that was cut may be a part of a secret that masking no longer recognises.
  return () => (isCut ? tail.slice(tail.indexOf("\n") + 1) : tail);
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
