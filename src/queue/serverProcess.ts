import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { RenewalError } from "../domain/errors.ts";

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5_000;
const PROBE_TIMEOUT_MS = 3_000;
const POLL_MS = 20;

export interface ServerProcess {
  /** Resolves with the reason once it is gone. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

interface SpawnOptions {
  readonly binary: string;
  readonly directory: string;
  readonly path: string;
}

/** Resolves once it answers. Throws `queue.unavailable` when it is not installed or does not start, with what its log says. */
export async function spawnRedis({ binary, directory, path }: SpawnOptions): Promise<ServerProcess> {
  const log = join(directory, "redis.log");
  // Redis opens its log anew for each line, so it may be removed; this bounds it.
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
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  // Its own process group: Ctrl-C at a terminal must reach us only, who still need Redis for draining.
  const child = spawn(binary, args, { stdio: "ignore", detached: true });
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.once("error", (error) => resolve(error.message));
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
  const running = { exited, stop: () => end(child, exited) };

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

/** `silent`: somebody holds the socket but does not answer (stopped, or not Redis): starting a second one would spoil its data. */
export async function probeRedis(path: string): Promise<"alive" | "silent" | "absent"> {
  const socket = connect(path);
  const timer = setTimeout(() => socket.destroy(), PROBE_TIMEOUT_MS);
  try {
    await once(socket, "connect");
  } catch {
    clearTimeout(timer);
    return "absent";
  }
  try {
    socket.write("PING\r\n");
    for await (const reply of socket) {
      // While it loads its AOF it answers -LOADING.
      if (String(reply).startsWith("+PONG")) return "alive";
      await delay(POLL_MS);
      socket.write("PING\r\n");
    }
    return "silent";
  } catch {
    return "silent";
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Resolves when the Redis at the socket ends: for one that is not our child, its closing of an idle connection is the only word. */
export async function redisGone(path: string): Promise<string> {
  await closed(connect(path));
  return "its socket closed";
}

/** Stops a Redis that is not our child, AOF flushed. Bounded: it may hang or be gone. */
export async function shutDownRedis(path: string): Promise<void> {
  const socket = connect(path);
  socket.setTimeout(STOP_TIMEOUT_MS, () => socket.destroy());
  socket.write("SHUTDOWN NOSAVE\r\n");
  await closed(socket);
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => resolve());
    socket.resume();
  });
}
