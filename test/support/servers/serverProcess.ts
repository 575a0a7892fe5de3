// A server program run in the foreground for as long as a test (or the demo) needs it. No test framework in here.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { freePort, onFreePorts } from "../freePort.ts";
import { servedFingerprint } from "./served.ts";

export interface ServerProgram {
  readonly argv: readonly [string, ...string[]];
  /** It serves TLS there on 127.0.0.1 once it is ready. */
  readonly port: number;
  /** Its directory, removed once it has ended. */
  readonly home: string;
  /** Where it writes what it does not print: few servers can log to a pipe of Node's, which is a socket. */
  readonly logFile?: string;
  /** It speaks TLS only after STARTTLS, so it is ready when it accepts connections. */
  readonly startsPlain?: boolean;
}

export interface ServerProcess {
  readonly pid: number;
  /** The end of what it printed and logged. */
  output(): string;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 15_000;
const KILL_AFTER_MS = 5_000;
const OUTPUT_CHARS_MAX = 4096;

/** Calls `start` with a free port, and again with another when that was taken in between. */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  return onFreePorts(async () => start(await freePort()));
}

/** Resolves once it completes handshakes: Apache listens early and then reads its configuration a second time. */
export async function runServer({
  argv,
  port,
  home,
  logFile,
  startsPlain = false,
}: ServerProgram): Promise<ServerProcess> {
  const [program, ...args] = argv;
  // A group of its own: some servers signal their whole group when they end, and a killed one must not leave workers
  // behind.
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const printed = collect(child);
  const output = (): string =>
    printed() +
    (logFile !== undefined && existsSync(logFile) ? readFileSync(logFile, "utf8").slice(-OUTPUT_CHARS_MAX) : "");
  const killed = (): void => signalGroup(child, "SIGKILL");
  process.once("exit", killed);
  child.once("exit", () => process.off("exit", killed));
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(home, { recursive: true, force: true });
  };
  try {
    await started(
      program,
      child,
      output,
      startsPlain ? () => accepts(port) : () => servedFingerprint(port, "ready.test"),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, output, stop };
}

async function started(
  program: string,
  child: ChildProcess,
  output: () => string,
  ask: () => Promise<unknown>,
): Promise<void> {
  const failed = once(child, "error").then(([cause]) => {
    throw new Error(`${program} is not installed: run scripts/bootstrap.sh test`, { cause });
  });
  const exited = once(child, "exit").then(() => {
    throw new Error(`${program} did not start: ${output()}`);
  });
  try {
    await Promise.race([failed, exited, serving(program, child, ask)]);
  } finally {
    failed.catch(() => undefined);
    exited.catch(() => undefined);
  }
}

async function serving(program: string, child: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (child.exitCode === null && child.pid !== undefined) {
    const ready = await ask().then(
      () => true,
      () => false,
    );
    if (ready) return;
    if (performance.now() > deadline) throw new Error(`waited ${READY_TIMEOUT_MS / 1000} s for ${program} to start`);
    await delay(20);
  }
  // The race is decided by the child's own "exit" or "error".
  await new Promise<never>(() => {});
}

/** Resolves when the server greets or accepts. */
async function accepts(port: number): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}

function collect(child: ChildProcess): () => string {
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return () => output;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS);
  await exited;
  clearTimeout(force);
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // It ended by itself in the meantime.
  }
}
