// The installation the drills torture: real workers, CA, Redis and servers, and a client that never stops.
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { type App, openContext, withoutQueue } from "../../src/compose/index.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { HistoryEvent } from "../../src/domain/event.ts";
import { ACTIVE_STATES } from "../../src/domain/renewal.ts";
import type { Secret } from "../../src/domain/secret.ts";
import { createLog } from "../../src/log.ts";
import { requestRenewal } from "../../src/queue/requests.ts";
import { resume } from "../../src/renewal/operator/pause.ts";
import { requestRenewal as requestDirectly } from "../../src/renewal/plan/request.ts";
import { createRoot } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";
import { type Random, seeded } from "../support/model/random.ts";
import { startCaddy } from "../support/servers/caddy.ts";
import { type Haproxy, startHaproxy } from "../support/servers/haproxy.ts";
import { type NginxCertificate, startNginx } from "../support/servers/nginx.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import type { RedisServerOptions } from "../support/servers/redis.ts";
import { type Section, type System, startSystem, type WorkerRole } from "../support/system/system.ts";
import { until } from "../support/until.ts";
import { type Client, startClient } from "./client.ts";
import { Fleet, type SlotOptions } from "./fleet.ts";
import { type Front, startFront } from "./front.ts";
import { Ledger } from "./ledger.ts";
import {
  certificatesOf,
  type Server,
  type Site,
  SPREAD,
  serverOf,
  siteName,
  sitesOf,
  sniOf,
  targetsOf,
} from "./sites.ts";

export interface WorldOptions {
  readonly seed: number;
  readonly certificates: number;
  /** Which server each certificate is behind, over and over. Default: SPREAD. */
  readonly spread?: readonly Server[];
  readonly redis?: RedisServerOptions;
  readonly workers?: Partial<Record<WorkerRole, number>>;
  /** On a PostgreSQL of its own; default: embedded. */
  readonly postgresql?: boolean;
}

const WORKERS: Record<WorkerRole, number> = { planner: 2, acme: 2, deployer: 2, verifier: 2 };
/** Quick, but longer in all than any drill keeps something broken. */
const RETRY = { backoff: ["1s", "3s", "10s"], issueAttempts: 10, deployAttempts: 10 };
const START_TIMEOUT_MS = 180_000;

export interface World extends AsyncDisposable {
  readonly system: System;
  /** The drill's own view of configuration, database and queue; it runs no role. */
  readonly app: App;
  readonly haproxy: Haproxy;
  readonly fleet: Fleet;
  readonly ledger: Ledger;
  /** What the CA's validations go through. */
  readonly front: Front;
  readonly client: Client;
  readonly sites: readonly Site[];
  /** null: the database is embedded. */
  readonly databaseUrl: Secret | null;
  readonly random: Random;
  /**
   * Shell script run by the `files` target after its files are in place, with RENEWD_CERTIFICATE; by default it does
   * nothing.
   */
  setHook(script: string): Promise<void>;
  /** Where the http-01 responder of this ACME worker listens. */
  responder(name: string): { readonly host: string; readonly port: number };
  /** A configuration file that differs from the fleet's in these sections. */
  configFile(name: string, sections: Readonly<Record<string, unknown>>): Promise<string>;
  /** Latest generation of each certificate; 0: none. */
  generations(): Promise<Map<string, number>>;
  /**
   * Forces new versions, through the queue or, when that is what is broken, straight into the database. Returns when
   * all are under way.
   */
  force(certificates: readonly string[], through?: "queue" | "database"): Promise<void>;
  /** Asks for a new version through the queue and does not wait. */
  ask(certificate: string): Promise<void>;
  /** Ends a quarantine. */
  resume(certificate: string): Promise<void>;
  /**
   * Waits until nothing is under way and each of these certificates has a live, verified version of at least this
   * generation. Returns when each was verified (ms since epoch).
   */
  converged(atLeast: ReadonlyMap<string, number>, timeoutMs?: number): Promise<Map<string, number>>;
  /** The next event of this kind and certificate after `afterSeq`. */
  event(type: HistoryEvent["type"], certificate: string, afterSeq: number): Promise<HistoryEvent>;
  lastSeq(): Promise<number>;
}

export async function startWorld(options: WorldOptions): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const names = Array.from({ length: options.certificates }, (_, index) => siteName(index));
  const spread = options.spread ?? SPREAD;
  const namesBehind = (server: Server): string[] => names.filter((_, index) => serverOf(index, spread) === server);
  const haproxy = stack.use(await startHaproxy());
  const nginx = stack.use(await startNginx({ certificates: await oldPairs(namesBehind("nginx")), bundle: true }));
  const caddy = spread.includes("caddy")
    ? stack.use(await startCaddy({ certificates: await oldPairs(namesBehind("caddy")) }))
    : null;
  const databaseUrl = options.postgresql === true ? await stack.use(await startPostgres()).createDatabase() : null;
  const store = databaseUrl === null ? {} : await storeSection(stack, databaseUrl);
  const system = stack.use(
    await startSystem({
      // Each certificate costs every step, so that every failpoint is passed.
      pebble: { env: { PEBBLE_AUTHZREUSE: "0" } },
      redis: { appendonly: true, ...options.redis },
      targets: {},
      certificates: {},
      sections: store,
    }),
  );
  const [files, hook] = [join(system.home, "files"), join(system.home, "hook.sh")];
  await mkdir(files);
  await writeFile(hook, "exit 0\n");
  const places = { haproxy, nginx, caddy, files, hook };
  const sites = sitesOf(options.certificates, spread, places);
  await system.configure({
    targets: targetsOf(places),
    certificates: certificatesOf(sites),
    // Old workers of a reloading server answer for up to 1.5 s.
    sections: { retry: RETRY, verification: { connections: 20, spread: "2s" }, ...store },
  });
  const ledger = new Ledger(new Map(sites.map(({ certificate, sni }) => [sni, certificate])));
  system.ca.intercept = ledger.intercept;

  const configFile: World["configFile"] = async (name, sections) => {
    const file = join(system.home, `${name}.yaml`);
    await writeFile(file, stringify({ ...parse(await readFile(system.configFile, "utf8")), ...sections }));
    return file;
  };
  const { slots, ports } = await slotsOf({ ...WORKERS, ...options.workers }, configFile);
  const front = stack.use(await startFront(system.pebble.httpPort, [...ports.values()]));
  const fleet = stack.use(new Fleet(slots));
  // The system's own view was opened before the certificates were configured.
  const app = stack.use(await openContext(system.configFile, { log: createLog({ level: "error", pretty: false }) }));
  const world = {
    ...questions(app, sites),
    system,
    app,
    haproxy,
    fleet,
    ledger,
    front,
    sites,
    databaseUrl,
    configFile,
    random: seeded(options.seed),
  };
  await world.converged(new Map(names.map((name) => [name, 1])), START_TIMEOUT_MS);
  const client = stack.use(startClient(sites, await system.pebble.rootPem()));
  const kept = stack.move();
  return {
    ...world,
    client,
    responder: (name) => ({ host: "127.0.0.1", port: ports.get(name) ?? 0 }),
    setHook: (script) => writeFile(hook, `${script}\nexit 0\n`),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Its URL holds a password, so it is in a file. */
async function storeSection(stack: AsyncDisposableStack, url: Secret): Promise<Section> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-drill-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const file = join(directory, "database.url");
  await writeFile(file, url.reveal(), { mode: 0o600 });
  return { store: { type: "postgresql", url: `file:${file}` } };
}

/** What servers that start with their certificates in place hold until renewd has issued. */
async function oldPairs(names: readonly string[]): Promise<Record<string, NginxCertificate>> {
  const root = await createRoot({ name: "before renewd" });
  const pairs = await Promise.all(
    names.map(
      async (name) => [name, { serverNames: [sniOf(name)], ...(await root.issue({ names: [sniOf(name)] })) }] as const,
    ),
  );
  return Object.fromEntries(pairs);
}

/** Each ACME worker has a responder on a port of its own, as on machines of their own. */
async function slotsOf(
  workers: Record<WorkerRole, number>,
  configFile: World["configFile"],
): Promise<{ slots: SlotOptions[]; ports: Map<string, number> }> {
  const slots: SlotOptions[] = [];
  const ports = new Map<string, number>();
  for (const role of ["planner", "acme", "deployer", "verifier"] as const) {
    for (let number = 1; number <= workers[role]; number++) {
      const name = `${role}-${number}`;
      const port = role === "acme" ? await freePort() : null;
      if (port !== null) ports.set(name, port);
      slots.push({
        role,
        name,
        configFile: await configFile(name, port === null ? {} : { http01: { host: "127.0.0.1", port } }),
      });
    }
  }
  return { slots, ports };
}

/** These certificates one generation on. */
export function oneMore(before: ReadonlyMap<string, number>, names: readonly string[]): Map<string, number> {
  return new Map(names.map((name) => [name, (before.get(name) ?? 0) + 1]));
}

type Questions = Pick<World, "generations" | "ask" | "resume" | "force" | "converged" | "event" | "lastSeq">;

function questions(app: App, sites: readonly Site[]): Questions {
  const { store } = app;
  const generations = async (): Promise<Map<string, number>> => {
    const latest = await store.versions.listLatest();
    return new Map(
      sites.map(({ certificate }) => [
        certificate,
        latest.find((version) => version.certificate === certificate)?.generation ?? 0,
      ]),
    );
  };
  const newest = async (certificate: string): Promise<string> =>
    (await store.renewals.list({ certificate, limit: 1 }))[0]?.id ?? "";
  const ask = async (certificate: string, requestId: string = randomUUID()): Promise<void> => {
    await requestRenewal(app.redis, { version: 1, certificate, force: true, requestedBy: "drill" }, requestId);
  };
  // On a busy disk Redis may take longer to answer than a producer waits. Under the same id it is the same request,
  // taken once.
  const insist = async (certificate: string): Promise<void> => {
    const requestId = randomUUID();
    await ask(certificate, requestId).catch((error: unknown) => {
      if (error instanceof RenewalError && error.code === "queue.unavailable") return ask(certificate, requestId);
      throw error;
    });
  };
  return {
    generations,
    ask: (certificate) => ask(certificate),
    resume: (certificate) => resume(store, certificate, Date.now()),
    async force(certificates, through = "queue") {
      const before = new Map(await Promise.all(certificates.map(async (name) => [name, await newest(name)] as const)));
      for (const certificate of certificates) {
        if (through === "queue") await insist(certificate);
        else
          await requestDirectly(withoutQueue(app.context), {
            certificate,
            force: true,
            reason: null,
            requestedBy: "drill",
          });
      }
      for (const [certificate, id] of before) {
        await until(
          `a renewal of ${certificate} to begin`,
          async () => ((await newest(certificate)) === id ? null : certificate),
          90_000,
        );
      }
    },
    async converged(atLeast, timeoutMs = 120_000) {
      return until(
        `${[...atLeast].map(([name, generation]) => `${name}#${generation}`).join(" ")} to converge`,
        async () => {
          if ((await store.renewals.list({ states: ACTIVE_STATES, limit: 1 })).length > 0) return null;
          const latest = await store.versions.listLatest();
          const verified = new Map(latest.map((version) => [version.certificate, version]));
          const all = [...atLeast].map(([name, generation]) => {
            const version = verified.get(name);
            return version !== undefined && version.generation >= generation && version.verifiedAt !== null
              ? ([name, version.verifiedAt] as const)
              : null;
          });
          return all.every((each) => each !== null) ? new Map(all) : null;
        },
        timeoutMs,
      );
    },
    event: (type, certificate, afterSeq) =>
      until(
        `${type} of ${certificate}`,
        async () => (await store.events.list({ certificate, types: [type], afterSeq, limit: 1 }))[0] ?? null,
        60_000,
      ),
    lastSeq: async () => (await store.events.list({ limit: 1 })).at(-1)?.seq ?? 0,
  };
}
