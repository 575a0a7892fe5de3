// renewd as its users run it: the built package, one `renewd run` with its own Redis and SQLite, a running HAProxy to
// deploy to, proof as by default, and Pebbles without sleeps behind fronts.
import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { type Pebble, startPebble } from "../test/support/ca/pebble.ts";
import { startNameServer } from "../test/support/dns/nameServer.ts";
import { freePort } from "../test/support/freePort.ts";
import { type Haproxy, startHaproxy } from "../test/support/servers/haproxy.ts";
import { type RenewdProcess, startRenewd } from "../test/support/system/renewd.ts";
import { type Section, type System, startSystem } from "../test/support/system/system.ts";
import type { Front, Requests } from "./front.ts";

export const ROOT = join(import.meta.dirname, "..");
export const BUILT = "dist/src/cli/main.js";
/** As deploy/systemd starts it. */
export const STARTED_WITH = { NODE_OPTIONS: "--max-semi-space-size=4", MALLOC_ARENA_MAX: "2" };

export interface InstallationOptions {
  readonly names: readonly string[];
  /** How many CAs there are; certificates take turns. */
  readonly cas: number;
  /** What stands before each. */
  readonly front: (pebble: Pebble) => Promise<Front>;
  readonly pebble: {
    readonly certificateValidityPeriodSeconds?: number;
    readonly env: Readonly<Record<string, string>>;
  };
  readonly sections?: Section;
}

export interface Installation extends AsyncDisposable {
  readonly system: System;
  readonly haproxy: Haproxy;
  /** Its database, to look into beside it. */
  readonly database: DatabaseSync;
  /** `renewd run`, once it says that it is running. */
  start(): Promise<RenewdProcess>;
  /** Another command beside it, to its end: what it printed. */
  renewd(...args: readonly string[]): Promise<string>;
  /** How many renewals were planned so far. */
  planned(): number;
  /** How many of them have succeeded, which takes a proof. */
  succeeded(): number;
  /** At all CAs. */
  requests(): Promise<Requests>;
  /** Rejects when a CA answers no more. */
  readonly hung: Promise<never>;
}

/** What is measured is what people install. */
export function build(): void {
  execFileSync(process.execPath, [join(ROOT, "scripts/build.ts")], { stdio: "inherit" });
}

export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { names, cas, front, pebble, sections } = options;
  await using starting = new AsyncDisposableStack();
  const haproxy = starting.use(await startHaproxy());
  // A query that the machine's own resolver loses would hold up an order, which happens to no peer: they ask none.
  const dns = starting.use(await startNameServer(["example.org"]));
  // One responder answers all CAs.
  const httpPort = await freePort();
  const fronts: Front[] = [];
  while (fronts.length < cas) {
    fronts.push(starting.use(await front(starting.use(await startPebble({ ...pebble, httpPort })))));
  }
  const trust = await mkdtemp(join(tmpdir(), "renewd-bench-trust-"));
  starting.defer(() => rm(trust, { recursive: true, force: true }));
  await Promise.all(fronts.map(({ trustPem }, index) => writeFile(join(trust, `ca${index}.pem`), trustPem)));
  const system = starting.use(
    await startSystem({
      targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
      certificates: Object.fromEntries(
        names.map((name, index) => [
          `c${index}`,
          {
            names: [name],
            ...{ issuer: `ca${index % cas}`, targets: ["lb"] },
            endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: name }],
          },
        ]),
      ),
      sections: {
        // Redis of its own; ticks, attempts and proof as by default.
        ...{ redis: undefined, planner: undefined, retry: undefined, verification: undefined, web: { enabled: false } },
        http01: { host: "127.0.0.1", port: httpPort },
        solvers: { http: { type: "http-01", resolvers: [`${dns.address}:${dns.port}`] } },
        issuers: Object.fromEntries(
          fronts.map(({ directory }, index) => [
            `ca${index}`,
            { directory, trust: join(trust, `ca${index}.pem`), termsOfServiceAgreed: true },
          ]),
        ),
        defaults: { issuer: "ca0", solver: "http" },
        ...sections,
      },
    }),
  );
  const database = starting.adopt(new DatabaseSync(join(system.dataDir, "renewd.db")), (open) => open.close());
  const planned = database.prepare("select count(*) as count from renewals");
  const succeeded = database.prepare("select count(*) as count from renewals where state = 'succeeded'");
  const stack = starting.move();
  const config = ["--config", system.configFile];
  return {
    ...{ system, haproxy, database, hung: Promise.race(fronts.map(({ hung }) => hung)) },
    async start() {
      const daemon = stack.use(startRenewd(["run", "--yes", ...config], STARTED_WITH, BUILT, [process.execPath]));
      await daemon.logged("renewd is running");
      return daemon;
    },
    async renewd(...args) {
      const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, BUILT), ...config, ...args]);
      return stdout;
    },
    planned: () => Number(planned.get()?.count),
    succeeded: () => Number(succeeded.get()?.count),
    async requests() {
      const each = await Promise.all(fronts.map((each) => each.requests()));
      const sum = (of: keyof Requests): number => each.reduce((total, requests) => total + requests[of], 0);
      return { all: sum("all"), newNonce: sum("newNonce"), newOrder: sum("newOrder") };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
