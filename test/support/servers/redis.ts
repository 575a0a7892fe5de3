import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "../freePort.ts";

const execute = promisify(execFile);
const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;

export interface RedisServerOptions {
  /** Survive restart(); default false. */
  readonly appendonly?: boolean;
  /** Such as `1mb`. */
  readonly maxmemory?: string;
  /** Default noeviction. */
  readonly policy?: string;
  /** Default `unix`, which can clash with nobody; `tcp` picks a free port. */
  readonly listen?: "unix" | "tcp";
  readonly password?: string;
  /** Further lines of redis.conf as arguments, such as `["--user", "app on …"]`. */
  readonly args?: readonly string[];
}

export interface RedisServer extends AsyncDisposable {
  /** `redis://127.0.0.1:port` or `unix:///path`, without password. */
  readonly url: string;
  /** The unix socket, if that is what it listens on. */
  readonly path: string | null;
  readonly port: number | null;
  readonly directory: string;
  readonly pid: number;
  /** `SHUTDOWN NOSAVE`; the data is gone unless appendonly. */
  stop(): Promise<void>;
  /** Stops it if it runs, and starts it at the same address. */
  restart(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  flushall(): Promise<void>;
  /** One command through redis-cli; its reply as text. */
  command(...args: string[]): Promise<string>;
}

/** A real redis-server in a temporary directory. Disposing stops it and removes the directory. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-redis-"));
  const path = options.listen === "tcp" ? null : join(directory, "redis.sock");
  const port = path === null ? await freePort() : null;
  const address = path === null ? ["-p", String(port)] : ["-s", path];
  const log = join(directory, "redis.log");
  let server: ChildProcess | null = null;

  const command = async (...args: string[]): Promise<string> => {
    // REDISCLI_AUTH keeps the password off the process list and silences redis-cli's warning about it.
    const env = { ...process.env, ...(options.password !== undefined && { REDISCLI_AUTH: options.password }) };
    const { stdout } = await execute("redis-cli", [...address, ...args], {
      env,
      timeout: STOP_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.trim();
  };

  async function start(): Promise<void> {
    const args = [
      "--dir",
      directory,
      "--logfile",
      log,
      "--save",
      "",
      "--appendonly",
      options.appendonly === true ? "yes" : "no",
    ];
    args.push(
      ...(path === null ? ["--bind", "127.0.0.1", "--port", String(port)] : ["--port", "0", "--unixsocket", path]),
    );
    args.push("--maxmemory-policy", options.policy ?? "noeviction");
    if (options.maxmemory !== undefined) args.push("--maxmemory", options.maxmemory);
    if (options.password !== undefined) args.push("--requirepass", options.password);
    const child = spawn("redis-server", [...args, ...(options.args ?? [])], { stdio: "ignore" });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) =>
        reject(new Error("redis-server is not installed: run scripts/bootstrap.sh", { cause })),
      );
    });
    server = child;
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (
      !(await accepts(path === null ? { port: port ?? 0, host: "127.0.0.1" } : { path })) ||
      (await command("PING").catch(() => "")) !== "PONG"
    ) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`redis-server did not start: ${await readFile(log, "utf8").catch(() => "it left no log")}`);
      }
      await delay(10);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = server;
    server = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    const forced = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(forced);
  }

  try {
    await start();
  } catch (error) {
    await end("SIGKILL");
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    url: path === null ? `redis://127.0.0.1:${port}` : `unix://${path}`,
    path,
    port,
    directory,
    get pid() {
      return server?.pid ?? 0;
    },
    // With `save ""` SIGTERM is SHUTDOWN NOSAVE; it also works while a client holds Redis busy.
    stop: () => end("SIGTERM"),
    async restart() {
      await end("SIGTERM");
      await start();
    },
    kill: () => end("SIGKILL"),
    async flushall() {
      await command("FLUSHALL");
    },
    command,
    async [Symbol.asyncDispose]() {
      await end("SIGTERM");
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function accepts(address: { path: string } | { host: string; port: number }): Promise<boolean> {
  const socket = connect(address);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
