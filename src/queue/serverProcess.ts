import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { RenewalError } from "../domain/errors.ts";

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5_000;
const PROBE_TIMEOUT_MS = 3_000;
const POLL_MS = 20;
const UNANSWERED_MAX = 3;

export interface ServerProcess {
  /** Resolves with the reason once it is gone. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
  /** At once, as one that hangs hears nothing else. */
  kill(): void;
}

interface SpawnOptions {
  readonly binary: string;
  readonly directory: string;
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Resolves once it answers. Throws `queue.unavailable` when it is not installed or does not start, with what its log
 * says.
 */
export async function spawnRedis({ binary, directory, path, environment }: SpawnOptions): Promise<ServerProcess> {
  const log = join(directory, "redis.log");
  // Redis opens its log again for each line, so removing it is safe and bounds its size.
  await rm(log, { force: true });
  const settings = {
    port: "0",
    unixsocket: path,
    unixsocketperm: "700",
    dir: directory,
    logfile: log,
    loglevel: "notice",
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
    daemonize: "no",
    // Looks at its clock so often when nothing happens: most of what an idle one uses. Delayed jobs come as much later.
    hz: "4",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  // Its own process group: Ctrl-C at a terminal must reach us only, who still need Redis for draining.
  const child = spawn(binary, args, { stdio: "ignore", detached: true, env: environment });
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.on("error", (error) => resolve(error.message));
  });
  const spawned = await new Promise<Error | null>((resolve) => {
    child.once("spawn", () => resolve(null));
    child.once("error", resolve);
  });
  if (spawned !== null) {
    throw new RenewalError(
      "queue.unavailable",
      `${binary} cannot be run (${spawned.message}): install redis-server or set redis.url`,
      { cause: spawned },
    );
  }
  const running = { exited, stop: () => end(child, exited), kill: () => void child.kill("SIGKILL") };

  const deadline = performance.now() + START_TIMEOUT_MS;
  while ((await probeRedis(path)) !== "alive") {
    const ended = await Promise.race([exited, delay(POLL_MS, null)]);
    if (ended === null && performance.now() < deadline) continue;
    await running.stop();
    const lines = (await readFile(log, "utf8").catch(() => "")).trim().split("\n");
    const last = lines.at(-1)?.slice(-200) || "no log";
    throw new RenewalError(
      "queue.unavailable",
      `The private Redis in ${directory} did not start (${ended ?? "too slow"}): ${last}`,
    );
  }
  return running;
}

async function end(child: ReturnType<typeof spawn>, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const forced = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(forced);
}

/** `silent`: the socket is open but nothing answers (stopped, or not Redis). A second server would damage its data. */
export async function probeRedis(path: string): Promise<"alive" | "silent" | "absent"> {
  const client = clientOf(path);
  const { promise: alive, resolve } = Promise.withResolvers<"alive">();
  let connected = false;
  client.once("connect", () => {
    connected = true;
  });
  // ioredis is ready when Redis has loaded its AOF.
  client.once("ready", () => resolve("alive"));
  const ended = closed(client).then((): "silent" | "absent" => (connected ? "silent" : "absent"));
  const timer = setTimeout(() => client.disconnect(), PROBE_TIMEOUT_MS);
  try {
    return await Promise.race([alive, ended]);
  } finally {
    clearTimeout(timer);
    client.disconnect();
  }
}

/** Resolves when the Redis at the socket ends. For one that is not our child, only its closed connection shows that. */
export async function redisGone(path: string, signal: AbortSignal): Promise<string> {
  const client = clientOf(path);
  const leave = (): void => client.disconnect();
  signal.addEventListener("abort", leave, { once: true });
  await closed(client);
  signal.removeEventListener("abort", leave);
  return "its socket closed";
}

/**
 * Resolves once Redis has let several questions in a row pass without any answer; an error is one. Once is not enough:
 * where all of this machine's processes stood still, none of them could answer.
 */
export async function redisHangs(path: string, everyMs: number, signal: AbortSignal): Promise<void> {
  let unanswered = 0;
  let client = clientOf(path);
  try {
    while (unanswered < UNANSWERED_MAX) {
      // Who died is started again by others.
      if (client.status === "end") client = clientOf(path);
      let isAnswered = false;
      const answer = (): void => {
        isAnswered = true;
      };
      // It fails with an error that is an answer, or with the connection of one that died.
      client.ping().then(answer, answer);
      await delay(everyMs, undefined, { signal });
      unanswered = isAnswered ? 0 : unanswered + 1;
    }
  } finally {
    client.disconnect();
  }
}

/** Stops a Redis that is not our child, AOF flushed. Bounded: it may hang or be gone. */
export async function shutDownRedis(path: string): Promise<void> {
  const client = clientOf(path);
  const ended = closed(client);
  const timer = setTimeout(() => client.disconnect(), STOP_TIMEOUT_MS);
  // Redis answers by closing the connection, which ioredis reports as an error.
  await client.shutdown("NOSAVE").catch(() => {});
  await ended;
  clearTimeout(timer);
}

/** One connection that is not made a second time. */
function clientOf(path: string): Redis {
  const client = new Redis({ path, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on("error", () => {}); // "end" follows
  return client;
}

function closed(client: Redis): Promise<void> {
  return new Promise((resolve) => {
    client.once("end", () => resolve());
  });
}
