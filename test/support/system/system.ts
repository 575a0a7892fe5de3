import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { type App, openContext } from "../../../src/compose/index.ts";
import type { HistoryEvent } from "../../../src/domain/event.ts";
import { isActive, type Renewal } from "../../../src/domain/renewal.ts";
import type { Store } from "../../../src/domain/store.ts";
import { createLog } from "../../../src/log.ts";
import { type AcmeProxy, type Interceptor, type ProxyAnswer, startAcmeProxy } from "../ca/acmeProxy.ts";
import { type Pebble, type PebbleOptions, startPebble } from "../ca/pebble.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "../servers/redis.ts";
import { until } from "../until.ts";
import { type RenewdProcess, startRenewd } from "./renewd.ts";

/** A part of renewd.yaml as an object. */
export type Section = Readonly<Record<string, unknown>>;

export interface SystemOptions {
  readonly pebble?: PebbleOptions;
  readonly redis?: RedisServerOptions;
  readonly targets: Section;
  readonly certificates: Section;
  /** Further sections, or other values for ours. */
  readonly sections?: Section;
}

/** A CA behind a counting proxy, a Redis, and a configuration for the four workers: all real, on ports of their own. */
export interface System extends AsyncDisposable {
  readonly pebble: Pebble;
  readonly ca: AcmeProxy;
  readonly redis: RedisServer;
  readonly home: string;
  readonly dataDir: string;
  readonly configFile: string;
  /** The test's own view of database and configuration; it runs no role. */
  readonly app: App;
  readonly store: Store;
  /** Writes the configuration anew, with these parts replaced. */
  configure(
    parts: Pick<SystemOptions, "sections"> & Partial<Pick<SystemOptions, "targets" | "certificates">>,
  ): Promise<void>;
  /** Starts a worker process; it is stopped with the system at the latest. */
  worker(role: WorkerRole): RenewdProcess;
  /** Every worker process started so far. */
  running(): readonly RenewdProcess[];
  workers(): Promise<Record<WorkerRole, RenewdProcess>>;
  /** Puts the test between worker and CA; orders are counted behind it. */
  intercept(interceptor: Interceptor): void;
  /** Orders the CA has opened: newOrder answered with 201, so neither nonce retries nor refusals count. */
  orders(): number;
  /** The first event of this kind, once it is written. */
  event(type: HistoryEvent["type"], certificate: string, timeoutMs?: number): Promise<HistoryEvent>;
  /** The certificate's latest renewal, once it has ended. */
  ended(certificate: string, timeoutMs?: number): Promise<Renewal>;
}

export const WORKER_ROLES = ["planner", "acme", "deployer", "verifier"] as const;
export type WorkerRole = (typeof WORKER_ROLES)[number];

export async function startSystem(options: SystemOptions): Promise<System> {
  await using starting = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "renewd-system-"));
  starting.defer(() => rm(home, { recursive: true, force: true }));
  const [pebble, redis] = await Promise.all([
    startPebble(options.pebble),
    startRedis({ listen: "tcp", ...options.redis }),
  ]);
  starting.use(pebble);
  starting.use(redis);
  const ca = starting.adopt(await startAcmeProxy(pebble), (proxy) => proxy.close());
  let orders = 0;
  let intercept: Interceptor | null = null;
  ca.intercept = async (request, forward) => {
    const counted = async (): Promise<ProxyAnswer> => {
      const answer = await forward();
      if (request.resource === "newOrder" && answer.status === 201) orders += 1;
      return answer;
    };
    return (await intercept?.(request, counted)) ?? counted();
  };
  const dataDir = join(home, "data");
  await mkdir(dataDir, { mode: 0o700 });
  await writeFile(join(home, "ca.pem"), ca.trustPem);
  const configFile = join(home, "renewd.yaml");
  let current = options;
  const configure: System["configure"] = async (parts) => {
    current = { ...current, ...parts };
    const { targets, certificates, sections } = current;
    await writeFile(
      configFile,
      stringify({ ...baseConfig(pebble, ca, redis, dataDir), targets, certificates, ...sections }),
    );
  };
  await configure(options);
  const app = starting.use(await openContext(configFile, { log: createLog({ level: "error", pretty: false }) }));
  const stack = starting.move();
  const { store } = app;
  const workers: RenewdProcess[] = [];
  // All at once: each takes a moment to say good-bye.
  stack.defer(() => Promise.all(workers.map((process) => process.stop())).then(() => {}));
  const worker = (role: WorkerRole): RenewdProcess => {
    const process = startRenewd(
      ["--config", configFile, ...(role === "planner" ? ["--yes"] : [])],
      {},
      `workers/${role}.ts`,
    );
    workers.push(process);
    return process;
  };
  return {
    ...{
      pebble,
      ca,
      redis,
      home,
      dataDir,
      configFile,
      app,
      store,
      configure,
      worker,
      orders: () => orders,
      intercept(interceptor: Interceptor) {
        intercept = interceptor;
      },
      running: () => workers,
    },
    async workers() {
      const [planner, acme, deployer, verifier] = [
        worker("planner"),
        worker("acme"),
        worker("deployer"),
        worker("verifier"),
      ];
      await Promise.all([planner, acme, deployer, verifier].map((process) => process.logged("renewd is running")));
      return { planner, acme, deployer, verifier };
    },
    event: (type, certificate, timeoutMs) =>
      until(
        `${type} of ${certificate}`,
        async () => (await store.events.list({ certificate, types: [type], limit: 1 }))[0] ?? null,
        timeoutMs,
      ),
    ended: (certificate, timeoutMs) =>
      until(
        `the end of ${certificate}'s renewal`,
        async () => {
          const [latest] = await store.renewals.list({ certificate, limit: 1 });
          return latest !== undefined && !isActive(latest.state) ? latest : null;
        },
        timeoutMs,
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function baseConfig(pebble: Pebble, ca: AcmeProxy, redis: RedisServer, dataDir: string): Section {
  return {
    version: 1,
    dataDir,
    redis: redis.path === null ? { url: redis.url } : { path: redis.path },
    http01: { host: "127.0.0.1", port: pebble.httpPort },
    planner: { tick: "1s", sweep: "500ms" },
    // Fewer than by default: only the tests about proof need to find a rare old pair.
    verification: { connections: 5, spread: "500ms" },
    retry: { backoff: ["500ms", "1s", "2s"] },
    issuers: {
      ca: { directory: ca.directory, trust: "ca.pem", contact: ["ops@example.org"], termsOfServiceAgreed: true },
    },
    solvers: { http: { type: "http-01" } },
    defaults: { issuer: "ca", solver: "http", verifyTimeout: "20s" },
  };
}
