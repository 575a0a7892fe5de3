import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "../until.ts";

/** renewd as its users run it: processes of the real entry points. */
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const LOG_LINES_KEPT = 2_000;
/** renewd itself sees to it that it ends within 10 s of SIGTERM. */
const STOP_MAX_MS = 30_000;

export interface RenewdProcess extends AsyncDisposable {
  readonly pid: number;
  /** The last lines it wrote to stderr, for messages of failing tests. */
  readonly log: readonly string[];
  /** Resolves with the first log line that contains `text`; rejects when the process ends before. */
  logged(text: string): Promise<string>;
  /** As `logged`, of lines written from now on. */
  loggedAgain(text: string): Promise<string>;
  ended(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and its exit code. Rejects when it does not end. */
  stop(): Promise<number | null>;
  /** Resolves with the exit code (null: killed by a signal). */
  readonly exited: Promise<number | null>;
}

/**
 * Starts `renewd …args`, or with a path such as `workers/acme.ts` or `bin/renewd` that entry point; `wrapper` is a
 * program that runs it, such as strace -D.
 */
export function startRenewd(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  entry = "src/cli/main.ts",
  wrapper: readonly string[] = [],
): RenewdProcess {
  const started = entry.endsWith(".ts") ? [process.execPath, resolve(ROOT, entry)] : [resolve(ROOT, entry)];
  const [program = process.execPath, ...rest] = [...wrapper, ...started, ...args];
  const child = spawn(program, rest, {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log: string[] = [];
  const waiting = new Set<(line: string | null) => void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.push(line);
    if (log.length > LOG_LINES_KEPT) log.shift();
    for (const tell of waiting) tell(line);
  });
  const exited = exitOf(child);
  void exited.then(() => {
    for (const tell of waiting) tell(null);
  });
  const loggedAgain = (text: string): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const tell = (line: string | null): void => {
      if (line === null)
        reject(new Error(`renewd ${args.join(" ")} ended before it logged "${text}":\n${log.slice(-30).join("\n")}`));
      else if (line.includes(text)) resolve(line);
      else return;
      waiting.delete(tell);
    };
    waiting.add(tell);
    return promise;
  };
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    return within(`renewd ${args.join(" ")} to end after SIGTERM`, exited, STOP_MAX_MS).catch((error: Error) => {
      child.kill("SIGKILL");
      throw new Error(`${error.message}:\n${log.slice(-30).join("\n")}`);
    });
  };
  return {
    pid: child.pid ?? 0,
    log,
    exited,
    kill: (signal) => void child.kill(signal),
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
    ended: () => child.exitCode !== null || child.signalCode !== null,
    loggedAgain,
    async logged(text) {
      return log.find((line) => line.includes(text)) ?? loggedAgain(text);
    },
  };
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, "exit");
  return typeof code === "number" ? code : null;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command to its end, as in a shell. */
export async function renewd(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [`${ROOT}/src/cli/main.ts`, ...args], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code] = await once(child, "close");
  return { code: typeof code === "number" ? code : null, stdout: await stdout, stderr: await stderr };
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}
