// Starts a real HAProxy on a loopback port of its own, in master-worker mode as distributions run it. No test framework
// in here: the demo uses it too.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createRoot } from "../ca/pki.ts";
import { freePort, onFreePorts } from "../freePort.ts";
import type { SystemUser } from "../pairs/pairDirectory.ts";

export interface HaproxyOptions {
  /** The configuration names files relative to HAProxy's working directory. */
  readonly relative?: boolean;
  /** `crt-base` names the directory, and the crt-list's lines begin there. */
  readonly crtBase?: boolean;
  /** By file name without `.pem`: what HAProxy serves at its start. More may be deployed into the directory later. */
  readonly certificates?: Readonly<Record<string, { readonly certPem: string; readonly keyPem: string }>>;
  /** The bind names the crt-list `<directory>/.list`, which holds the certificates above, instead of the directory. */
  readonly crtList?: boolean;
  /** Started by this user, who owns its directory. Left out: by the user of the tests. */
  readonly user?: SystemUser;
  /** Lines for its `global` section. */
  readonly global?: string;
  /** Whole sections, after the frontend that serves the directory. */
  readonly sections?: string;
  /** One process without a master. */
  readonly alone?: boolean;
  /** Of another HAProxy that listens there and goes on with it, as an old worker that was never ended. */
  readonly port?: number;
}

export interface Haproxy extends AsyncDisposable {
  /** Serves TLS; unknown names get a placeholder certificate for `placeholder.test`. */
  readonly port: number;
  /** Runtime API at level admin. */
  readonly socket: string;
  /** Runtime API at level user, which may look but not touch. */
  readonly userSocket: string;
  /** The bind's `crt` directory. */
  readonly directory: string;
  readonly pid: number;
  runtime(command: string): Promise<string>;
  /** SIGUSR2, and waits until the new worker answers on the socket. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 15_000;

export async function startHaproxy(options: HaproxyOptions = {}): Promise<Haproxy> {
  return onFreePorts(() => start(options));
}

async function start(options: HaproxyOptions): Promise<Haproxy> {
  const home = await mkdtemp(join(tmpdir(), "renewd-haproxy-"));
  const directory = join(home, "certs");
  const socket = join(home, "admin.sock");
  const userSocket = join(home, "user.sock");
  const port = options.port ?? (await freePort());
  await mkdir(directory);
  const placeholder = await (await createRoot({ name: "placeholder CA" })).issue({ names: ["placeholder.test"] });
  // Files load in alphabetical order and the first is the default: digits come before letters.
  const certificates = { "00-placeholder": placeholder, ...options.certificates };
  for (const [name, pair] of Object.entries(certificates)) {
    await writeFile(join(directory, `${name}.pem`), pair.keyPem + pair.certPem, { mode: 0o600 });
  }
  const list = join(directory, ".list");
  const named = (path: string): string => (options.relative ? relative(home, path) : path);
  await writeFile(
    list,
    Object.keys(certificates)
      .map((name) => `${options.crtBase ? `${name}.pem` : named(join(directory, `${name}.pem`))}\n`)
      .join(""),
  );
  const source = options.crtList ? `crt-list ${named(list)}` : `crt ${named(directory)}`;
  await writeFile(
    join(home, "haproxy.cfg"),
    configuration({
      ...{ port, socket, userSocket, source, sections: options.sections ?? "" },
      global: options.crtBase ? `crt-base ${named(directory)}` : options.global,
    }),
  );
  if (options.user !== undefined) await giveAll(home, options.user);
  const child = spawn("haproxy", [options.alone ? "-db" : "-W", "-f", join(home, "haproxy.cfg")], {
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.relative && { cwd: home }),
    ...options.user,
  });
  const output = collect(child);
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(home, { recursive: true, force: true });
  };
  try {
    await started(child, output, socket);
  } catch (error) {
    await stop();
    throw error;
  }
  const runtime = (command: string): Promise<string> => ask(socket, command);
  return {
    port,
    socket,
    userSocket,
    directory,
    pid: child.pid ?? 0,
    runtime,
    reload: () => reload(child, socket),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function giveAll(directory: string, { uid, gid }: SystemUser): Promise<void> {
  await chown(directory, uid, gid);
  for (const entry of await readdir(directory, { recursive: true })) await chown(join(directory, entry), uid, gid);
}

interface Configuration {
  readonly port: number;
  readonly socket: string;
  readonly userSocket: string;
  readonly source: string;
  readonly sections: string;
  readonly global?: string | undefined;
}

function configuration(at: Configuration): string {
  return `global
  ${at.global ?? ""}
  stats socket ${at.socket} mode 600 level admin
  stats socket ${at.userSocket} mode 600 level user
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend tls
  bind 127.0.0.1:${at.port} ssl ${at.source}
  http-request return status 200 content-type text/plain string ok
${at.sections}`;
}

async function started(child: ChildProcess, output: () => string, socket: string): Promise<void> {
  const failed = once(child, "error").then(([cause]) => {
    throw new Error("haproxy is not installed: run scripts/bootstrap.sh", { cause });
  });
  const exited = once(child, "exit").then(() => {
    throw new Error(`haproxy did not start: ${output()}`);
  });
  const aborted = new AbortController();
  try {
    await Promise.race([
      failed,
      exited,
      until(() => workerPid(socket).then((pid) => pid !== null), "haproxy to start", aborted.signal),
    ]);
  } finally {
    aborted.abort();
    failed.catch(() => undefined);
    exited.catch(() => undefined);
  }
}

async function reload(child: ChildProcess, socket: string): Promise<void> {
  const before = await workerPid(socket);
  child.kill("SIGUSR2");
  await until(
    async () => {
      const now = await workerPid(socket);
      return now !== null && now !== before;
    },
    "haproxy to reload",
    new AbortController().signal,
  );
}

/** null: nobody answers. */
async function workerPid(socket: string): Promise<string | null> {
  const answer = await ask(socket, "show info").catch(() => "");
  return /^Pid: (\d+)$/m.exec(answer)?.[1] ?? null;
}

async function ask(path: string, command: string): Promise<string> {
  const socket = connect({ path });
  socket.setEncoding("utf8");
  let answer = "";
  socket.on("data", (chunk: string) => {
    answer += chunk;
  });
  socket.end(`${command}\n`);
  await once(socket, "close");
  return answer;
}

async function until(condition: () => Promise<boolean>, what: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await condition())) {
    if (signal.aborted) return;
    if (performance.now() > deadline) throw new Error(`waited ${READY_TIMEOUT_MS / 1000} s for ${what}`);
    await delay(20);
  }
}

function collect(child: ChildProcess): () => string {
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-4096);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return () => output;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exited;
  clearTimeout(force);
}
