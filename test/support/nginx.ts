// Starts a real nginx on a loopback port of its own. No test framework in here: the demo uses it too.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "./freePort.ts";
import { createRoot } from "./pki.ts";

export interface NginxCertificate {
  readonly serverNames: readonly string[];
  readonly certPem: string;
  readonly keyPem: string;
}

export interface NginxOptions {
  /** One server block each, by directory name; read from `<directory>/<name>/{fullchain,privkey}.pem`. */
  readonly certificates: Readonly<Record<string, NginxCertificate>>;
  /** Read key and certificate from one `<directory>/<name>/bundle.pem` instead. */
  readonly bundle?: boolean;
}

export interface Nginx extends AsyncDisposable {
  /** Serves TLS; unknown names get a placeholder certificate for `placeholder.test`. */
  readonly port: number;
  readonly directory: string;
  /** What `nginx -c` needs to mean this instance. */
  readonly configFile: string;
  readonly prefix: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const START_ATTEMPTS_MAX = 5;
const READY_TIMEOUT_MS = 15_000;

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      // Between choosing a free port and nginx binding it, another process may have taken it.
      if (attempt === START_ATTEMPTS_MAX || !(error instanceof Error && error.message.includes("Address already in use"))) throw error;
    }
  }
}

async function start(options: NginxOptions): Promise<Nginx> {
  const prefix = await mkdtemp(join(tmpdir(), "renewd-nginx-"));
  const directory = join(prefix, "certs");
  const configFile = join(prefix, "nginx.conf");
  const port = await freePort();
  const placeholder = await (await createRoot({ name: "placeholder CA" })).issue({ names: ["placeholder.test"] });
  const certificates = { "00-placeholder": { ...placeholder, serverNames: ["_"] }, ...options.certificates };
  for (const [name, pair] of Object.entries(certificates)) {
    await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, name, "fullchain.pem"), pair.certPem);
    await writeFile(join(directory, name, "privkey.pem"), pair.keyPem, { mode: 0o600 });
    await writeFile(join(directory, name, "bundle.pem"), pair.keyPem + pair.certPem, { mode: 0o600 });
  }
  const blocks = Object.entries(certificates).map(([name, { serverNames }], index) => {
    const [cert, key] = options.bundle ? ["bundle.pem", "bundle.pem"] : ["fullchain.pem", "privkey.pem"];
    return `  server {
    listen 127.0.0.1:${port} ssl${index === 0 ? " default_server" : ""};
    server_name ${serverNames.join(" ")};
    ssl_certificate ${directory}/${name}/${cert};
    ssl_certificate_key ${directory}/${name}/${key};
    location / { return 200 ok; }
  }
`;
  });
  await writeFile(configFile, configuration(prefix, blocks));
  const child = spawn("nginx", ["-p", prefix, "-c", configFile], { stdio: ["ignore", "ignore", "pipe"] });
  const output = collect(child);
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(prefix, { recursive: true, force: true });
  };
  try {
    await started(child, output, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, directory, configFile, prefix, pid: child.pid ?? 0, stop, [Symbol.asyncDispose]: stop };
}

function configuration(prefix: string, blocks: readonly string[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `  ${kind}_temp_path ${prefix}/${kind};\n`);
  return `daemon off;
${process.getuid?.() === 0 ? "user root;\n" : ""}worker_processes 1;
pid ${prefix}/nginx.pid;
error_log stderr error;
events { worker_connections 256; }
http {
  access_log off;
${temporary.join("")}${blocks.join("")}}
`;
}

async function started(child: ChildProcess, output: () => string, port: number): Promise<void> {
  const failed = once(child, "error").then(([cause]) => {
    throw new Error("nginx is not installed: run scripts/bootstrap.sh", { cause });
  });
  const exited = once(child, "exit").then(() => {
    throw new Error(`nginx did not start: ${output()}`);
  });
  try {
    await Promise.race([failed, exited, accepting(child, port)]);
  } finally {
    failed.catch(() => undefined);
    exited.catch(() => undefined);
  }
}

async function accepting(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (child.exitCode === null && child.pid !== undefined) {
    const socket = connect(port, "127.0.0.1");
    const open = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    if (performance.now() > deadline) throw new Error(`waited ${READY_TIMEOUT_MS / 1000} s for nginx to start`);
    await delay(20);
  }
  // The race is decided by the child's own "exit" or "error".
  await new Promise<never>(() => {});
}

function collect(child: ChildProcess): () => string {
  let output = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4096);
  });
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
