// Starts Pebble, Let's Encrypt's test CA, with its mock DNS server, on loopback ports of its own. No test framework in
// here: the demo uses it too. Pebble 2.4 deadlocks with many requests in flight: keep at most 4.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { freePort, onFreePorts } from "../freePort.ts";
import { createRoot } from "./pki.ts";

export interface PebbleOptions {
  /** `2.10` has ARI, profiles and IP identifiers; default: the installed one (Debian's 2.4). */
  readonly version?: "2.10";
  /** Port Pebble dials for http-01; without it a free one, for the responder to listen on. */
  readonly httpPort?: number;
  /** Port Pebble dials for tls-alpn-01. */
  readonly tlsPort?: number;
  readonly certificateValidityPeriodSeconds?: number;
  /** `127.0.0.1:PORT` of the DNS server that Pebble validates by; default: a mock that says 127.0.0.1 to everything. */
  readonly dnsServer?: string;
  readonly domainBlocklist?: readonly string[];
  /** Key id → base64url HMAC key; given, accounts need an external account binding. */
  readonly externalAccountKeys?: Readonly<Record<string, string>>;
  /** From 2.10 on: profile → validity in seconds, beside `default`. */
  readonly profiles?: Readonly<Record<string, number>>;
  /**
   * Knobs such as PEBBLE_VA_NOSLEEP (default 1), PEBBLE_WFE_NONCEREJECT (default 5), PEBBLE_AUTHZREUSE (default 50).
   */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** PEM of the root that signs the directory's own TLS certificate. */
  readonly trustPem: string;
  readonly httpPort: number;
  readonly managementUrl: string;
  /**
   * PEM of the root below which Pebble issues; new at each start. The alternates (PEBBLE_ALTERNATE_ROOTS) count from 1.
   */
  rootPem(index?: number): Promise<string>;
  /** From 2.10 on: what renewalInfo answers for this certificate from now on, as JSON text. */
  setRenewalInfo(leafPem: string, answer: string): Promise<void>;
  /**
   * Resolves when the certificate of a finalized order is made, which goes on after finalize was answered. Whoever asks
   * for the order at the very moment it ends can stop Pebble for ever: its handler takes the order's read lock twice,
   * and the writer that sets the certificate may come in between (Order and orderForDisplay in wfe.go, 2.4 and 2.10).
   */
  issued(finalizePath: string): Promise<void>;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 15_000;
const ISSUE_MAX_MS = 5_000;

export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  const newer = options.version === undefined ? null : join(import.meta.dirname, "../../../.peers/pebble/usr/bin");
  const program = newer === null ? findProgram("RENEWD_PEBBLE", "pebble") : findNewer(newer, "pebble");
  const dnsProgram =
    newer === null
      ? findProgram("RENEWD_PEBBLE_CHALLTESTSRV", "pebble-challtestsrv")
      : findNewer(newer, "pebble-challtestsrv");
  return onFreePorts(() => start(program, dnsProgram, options));
}

interface Program {
  readonly path: string;
  /** What it prints about its flags, which differ between versions. */
  readonly usage: string;
}

function findProgram(variable: string, name: string): Program {
  return inspect(process.env[variable] ?? name, `${name} is not installed: run scripts/bootstrap.sh`);
}

function findNewer(directory: string, name: string): Program {
  return inspect(join(directory, name), `the newer ${name} is missing in .peers/: run scripts/bootstrap.sh test`);
}

function inspect(path: string, missing: string): Program {
  const { error, stdout, stderr } = spawnSync(path, ["--help"], { encoding: "utf8" });
  if (error) throw new Error(missing, { cause: error });
  return { path, usage: stdout + stderr };
}

async function start(program: Program, dnsProgram: Program, options: PebbleOptions): Promise<Pebble> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-pebble-"));
  const [port, managementPort, dnsPort] = [await freePort(), await freePort(), await freePort()];
  const [dnsManagementPort, httpPort, tlsPort] = [await freePort(), await freePort(), await freePort()];
  const root = await createRoot({ name: "Pebble TLS root" });
  const tls = await root.issue({ names: ["localhost", "127.0.0.1", "::1"] });
  await writeFile(join(directory, "cert.pem"), tls.certPem);
  await writeFile(join(directory, "key.pem"), tls.keyPem, { mode: 0o600 });
  const configuration = join(directory, "pebble.json");
  const validityPeriod = options.certificateValidityPeriodSeconds ?? 90 * 86_400;
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: join(directory, "cert.pem"),
    privateKey: join(directory, "key.pem"),
    httpPort: options.httpPort ?? httpPort,
    tlsPort: options.tlsPort ?? tlsPort,
    ocspResponderURL: "",
    externalAccountBindingRequired: options.externalAccountKeys !== undefined,
    externalAccountMACKeys: options.externalAccountKeys ?? {},
    domainBlocklist: options.domainBlocklist ?? [],
    certificateValidityPeriod: validityPeriod,
    // The same for Pebble ≥ 2.5, which has profiles; older ones ignore it.
    profiles: Object.fromEntries(
      Object.entries({ default: validityPeriod, ...options.profiles }).map(([name, seconds]) => [
        name,
        { description: `The ${name} profile`, validityPeriod: seconds },
      ]),
    ),
  };
  await writeFile(configuration, JSON.stringify({ pebble }));

  const issued = new Orders();
  const dns = run(dnsProgram.path, dnsArguments(dnsProgram, dnsPort, dnsManagementPort));
  const ca = run(program.path, ["-config", configuration, "-dnsserver", options.dnsServer ?? `127.0.0.1:${dnsPort}`], {
    PEBBLE_VA_NOSLEEP: "1",
    PEBBLE_WFE_NONCEREJECT: "5",
    ...options.env,
  });
  ca.said(issued.read);
  const stop = async (): Promise<void> => {
    await Promise.all([ca.stop(), dns.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
  const url = `https://127.0.0.1:${port}/dir`;
  const managementUrl = `https://127.0.0.1:${managementPort}`;
  try {
    await ready([dns], () => accepts(dnsPort));
    await ready([ca, dns], () => get(url, root.certPem));
    await ready([ca, dns], () => get(`${managementUrl}/roots/0`, root.certPem));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    directory: url,
    trustPem: root.certPem,
    httpPort: pebble.httpPort,
    managementUrl,
    rootPem: (index = 0) => get(`${managementUrl}/roots/${index}`, root.certPem),
    setRenewalInfo: async (leafPem, answer) => {
      await ask(
        `${managementUrl}/set-renewal-info/`,
        root.certPem,
        JSON.stringify({ certificate: leafPem, ariResponse: answer }),
      );
    },
    issued: (finalizePath) => issued.wait(finalizePath.split("/").at(-1) ?? ""),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The orders that Pebble says it has issued a certificate for. */
class Orders {
  readonly #done = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  readonly read = (line: string): void => {
    const order = /Issued certificate serial \S+ for order (\S+)/.exec(line)?.[1];
    if (order === undefined) return;
    this.#done.add(order);
    this.#waiting.get(order)?.();
  };

  /** One that it cannot issue it does not name: after a while nobody waits any more. */
  async wait(order: string): Promise<void> {
    if (this.#done.has(order)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(order, resolve);
    const timer = setTimeout(resolve, ISSUE_MAX_MS);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(order);
  }
}

// Mock DNS only: renewd's own responder answers the challenges. No AAAA, or Pebble would dial ::1 first.
function dnsArguments(program: Program, port: number, managementPort: number): string[] {
  const listen = program.usage.includes("-dnsserver")
    ? ["-dnsserver", `127.0.0.1:${port}`, "-doh", ""]
    : ["-dns01", `127.0.0.1:${port}`];
  const silent = ["-http01", "", "-https01", "", "-tlsalpn01", ""];
  return [
    ...listen,
    ...silent,
    "-management",
    `127.0.0.1:${managementPort}`,
    "-defaultIPv4",
    "127.0.0.1",
    "-defaultIPv6",
    "",
  ];
}

interface Running {
  readonly child: ChildProcess;
  /** The end of what it printed, for error messages. */
  output(): string;
  /** Calls `hear` with every line it prints on stdout. */
  said(hear: (line: string) => void): void;
  stop(): Promise<void>;
}

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-4000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const said = (hear: (line: string) => void): void => void createInterface({ input: child.stdout }).on("line", hear);
  child.on("error", (error) => keep(Buffer.from(error.message)));
  // A test run that is ended early must not leave servers behind.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  return { child, output: () => output, said, stop };
}

async function ready(processes: readonly Running[], probe: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    for (const { child, output } of processes) {
      if (child.exitCode !== null || child.pid === undefined)
        throw new Error(`${child.spawnfile} ended at once: ${output()}`);
    }
    try {
      await probe();
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(
          `Pebble did not answer within ${READY_TIMEOUT_MS} ms: ${processes.map((p) => p.output()).join("\n")}`,
          { cause: error },
        );
      await delay(20);
    }
  }
}

async function accepts(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}

function get(url: string, trustPem: string): Promise<string> {
  return ask(url, trustPem, null);
}

/** Body of a 200 answer over TLS trusted by `trustPem` only; with a body it is a POST. */
function ask(url: string, trustPem: string, sent: string | null): Promise<string> {
  return new Promise((resolve, reject) => {
    const method = sent === null ? "GET" : "POST";
    const outgoing = request(
      url,
      { method, ca: trustPem, agent: false, timeout: 5000, headers: { "user-agent": "renewd-tests" } },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () =>
          response.statusCode === 200 ? resolve(body) : reject(new Error(`${url} answered ${response.statusCode}`)),
        );
        response.on("error", reject);
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error(`${url} did not answer`)));
    outgoing.on("error", reject);
    outgoing.end(sent ?? undefined);
  });
}
