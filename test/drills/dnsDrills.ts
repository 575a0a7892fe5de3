// dns-01 (faults 1–5 with records that outlive a process): many wildcards of one zone, a worker killed at each step, and
// one of two name servers killed. Each has an installation of its own.
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { delegatedName } from "../../src/solvers/dns/server/kind.ts";
import { startNameServer } from "../support/dns/nameServer.ts";
import { startBind } from "../support/servers/nameServers.ts";
import { type RenewdProcess, startRenewd } from "../support/system/renewd.ts";
import { type Section, type System, type SystemOptions, startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";
import type { Drill, Injection } from "./drill.ts";

const ZONE = "wild.example";
const WILDCARDS = 100;
const ISSUED_MAX_MS = 600_000;
/** A dead worker's lock on a name ends after 20 s. */
const CLEARED_MAX_MS = 120_000;

const wildcards: Drill = {
  name: "dns-wildcards",
  faults: "dns-01",
  title: `${WILDCARDS} wildcards of one zone at once by dynamic update of BIND: no TXT record and no row is left`,
  quick: false,
  async alone() {
    await using bind = await startBind({ zone: ZONE });
    const at = `127.0.0.1:${bind.port}`;
    const solver = {
      ...{ type: "rfc2136", server: at, keyName: bind.keyName, secret: `file:${bind.secretFile}` },
      ...{ resolvers: [at], propagation: { check: "resolvers" } },
    };
    const names = Array.from({ length: WILDCARDS }, (_, index) => `w${index}`);
    await using system = await startEstate(names, { solver, dnsServer: at });
    const startedAt = Date.now();
    system.worker("planner");
    system.worker("acme");
    await until("every wildcard to be issued", () => all(system, names), ISSUED_MAX_MS);
    const issuedAt = Date.now();
    await until("every row to go", () => noRow(system), CLEARED_MAX_MS);
    const left: string[] = [];
    for (const name of names) if ((await bind.txt(challengeAt(name))).length > 0) left.push(name);
    const problems = left.length === 0 ? [] : [`TXT records are left for ${left.join(", ")}`];
    const extra = system.orders() - WILDCARDS;
    if (extra !== 0) problems.push(`${extra} orders more than certificates`);
    const seconds = ((issuedAt - startedAt) / 1_000).toFixed(1);
    return {
      injections: [{ at: startedAt, convergedAt: Date.now() }],
      notes: [`${WILDCARDS} issued in ${seconds} s, ${left.length} TXT records left`],
      problems,
    };
  },
};

const MOMENTS = [
  "before publishing",
  "after publishing",
  "after answering",
  "after validation",
  "before removal",
  "after removal",
] as const;
type Moment = (typeof MOMENTS)[number];

const killAtDns: Drill = {
  name: "kill-at-dns",
  faults: "dns-01",
  title: `the ACME worker is killed once each: ${MOMENTS.join(", ")}; no record is left`,
  quick: false,
  async alone() {
    const names = MOMENTS.map((_, index) => `k${index}`);
    const plan = new Map<string, Moment>(MOMENTS.map((moment, index) => [`k${index}`, moment]));
    const killed = new Map<string, number>();
    let worker: RenewdProcess | null = null;
    let system: System | null = null;
    /** True: the worker is dead, and nobody waits for an answer. */
    const strike = async (name: string, moment: Moment): Promise<boolean> => {
      if (plan.get(name) !== moment) return false;
      plan.delete(name);
      killed.set(name, Date.now());
      worker?.kill("SIGKILL");
      await worker?.exited;
      worker = system?.worker("acme") ?? null;
      return true;
    };
    await using dns = await startNameServer([ZONE]);
    await using service = await startRecordService({
      async present(name, value) {
        if (await strike(name, "before publishing")) return false;
        dns.records.push({ name: challengeAt(name), type: "TXT", data: value });
        return !(await strike(name, "after publishing"));
      },
      async cleanUp(name, value) {
        if (await strike(name, "before removal")) return false;
        dns.records = dns.records.filter((each) => each.name !== challengeAt(name) || each.data !== value);
        return !(await strike(name, "after removal"));
      },
    });
    const solver = { type: "httpreq", endpoint: service.url, ...waitsForNothing(dns.port) };
    await using started = await startEstate(names, { solver, dnsServer: `127.0.0.1:${dns.port}` });
    system = started;
    started.intercept(async ({ path, payload }, forward) => {
      // One order at a time: the CA's requests are about the name that was published last.
      const name = service.latest();
      if (path.startsWith("/finalize-order/") && (await strike(name, "after validation"))) return "reset";
      const answer = await forward();
      const isAnswer = path.startsWith("/chalZ/") && payload !== null;
      return isAnswer && (await strike(name, "after answering")) ? "reset" : answer;
    });
    started.worker("planner");
    worker = started.worker("acme");
    await until("every name to be issued", () => all(started, names), ISSUED_MAX_MS);
    await until("every row to go", () => noRow(started), CLEARED_MAX_MS);
    const convergedAt = Date.now();
    const extra = started.orders() - names.length;
    const left = dns.records.filter(({ type }) => type === "TXT").map(({ name }) => name);
    const injections: Injection[] = [...killed.values()].map((at) => ({ at, convergedAt }));
    return {
      injections,
      notes: [
        `killed ${[...killed.keys()].length} of ${MOMENTS.length} times, ${left.length} TXT records left; ${started.orders()} orders`,
      ],
      problems: [
        ...(extra === 0 ? [] : [`${extra} orders more than certificates`]),
        ...[...plan.values()].map((moment) => `nobody was killed ${moment}`),
        ...left.map((name) => `a TXT record is left at ${name}`),
      ],
    };
  },
};

const PARENT = "parent.example";
const DELEGATED = `acme.${PARENT}`;
/** Resolvers dial port 53: each process has an address of its own. */
const SERVED_AT = ["127.0.53.1", "127.0.53.2"] as const;
/** The CA has been asked to validate so many names, two of each certificate. */
const STRUCK_AT = 50;

const killNameServer: Drill = {
  name: "kill-name-server",
  faults: "dns-01",
  title: `one of two processes that serve a delegated zone is killed while the CA validates: ${WILDCARDS} of ${WILDCARDS} are issued`,
  quick: false,
  async alone() {
    const names = Array.from({ length: WILDCARDS }, (_, index) => `d${index}`);
    await using bind = await startBind({
      zone: PARENT,
      recursion: true,
      records: [
        ...SERVED_AT.flatMap((host, i) => [`acme NS ns${i}.acme`, `ns${i}.acme A ${host}`]),
        ...names.map((name) => `_acme-challenge.${name} CNAME ${delegatedName(`${name}.${PARENT}`, DELEGATED)}.`),
      ],
    });
    const at = `127.0.0.1:${bind.port}`;
    const nameServers = Object.fromEntries(SERVED_AT.map((host, i) => [`ns${i}.${DELEGATED}`, [host]]));
    const solver = { type: "dns-server", domains: [DELEGATED], nameServers, resolvers: [at] };
    await using system = await startEstate(names, { solver, dnsServer: at, zone: PARENT, servedAt: SERVED_AT[0] });
    const other = join(system.home, "other.yaml");
    const configured: unknown = parse(await readFile(system.configFile, "utf8"));
    await writeFile(other, stringify({ ...Object(configured), dnsServer: { hosts: [SERVED_AT[1]] } }));
    const killed = Promise.withResolvers<number>();
    let asked = 0;
    system.intercept(async ({ path, payload }, forward) => {
      const answer = await forward();
      if (path.startsWith("/chalZ/") && payload !== null && ++asked === STRUCK_AT) {
        first.kill("SIGKILL");
        killed.resolve(Date.now());
      }
      return answer;
    });
    const first = system.worker("acme");
    await using _second = startRenewd(["--config", other], {}, "workers/acme.ts");
    const startedAt = Date.now();
    system.worker("planner");
    await until("every wildcard to be issued", () => all(system, names), ISSUED_MAX_MS);
    const issuedAt = Date.now();
    await until("every row to go", () => noRow(system), CLEARED_MAX_MS);
    const failed = await system.store.events.list({ types: ["challenge.failed"], limit: WILDCARDS });
    const noted = await system.store.events.list({ types: ["challenge.unconfirmed"], limit: 10 * WILDCARDS });
    return {
      injections: [{ at: await killed.promise, convergedAt: issuedAt }],
      notes: [
        `${names.length} of ${WILDCARDS} issued in ${((issuedAt - startedAt) / 1_000).toFixed(1)} s with ` +
          `${system.orders()} orders; ${noted.length} names were not confirmed by the dead server, no row is left`,
      ],
      problems: failed.map(({ detail }) => `the CA could not validate ${detail.identifier}: ${detail.message}`),
    };
  },
};

export const DNS_DRILLS: readonly Drill[] = [wildcards, killAtDns, killNameServer];

/** DNS is asked at the drill's own server, at once. */
function waitsForNothing(port: number): Section {
  return { resolvers: [`127.0.0.1:${port}`], propagation: { check: "none" } };
}

function challengeAt(name: string): string {
  return `_acme-challenge.${name}.${ZONE}`;
}

interface EstateOptions {
  readonly solver: Section;
  readonly dnsServer: string;
  readonly zone?: string;
  /** Address of renewd's own name server. */
  readonly servedAt?: string;
}

/** Of each process. At `httpreq` one order at a time; of `dns-server` there are two processes. */
const ISSUE_AT_ONCE: Readonly<Record<string, number>> = { rfc2136: 3, httpreq: 1, "dns-server": 2 };

/** Issued and nothing more: neither deployer nor verifier runs. */
function startEstate(
  names: readonly string[],
  { solver, dnsServer, zone = ZONE, servedAt }: EstateOptions,
): Promise<System> {
  const options: SystemOptions = {
    pebble: { dnsServer, env: { PEBBLE_AUTHZREUSE: "0" } },
    sections: {
      solvers: { dns: solver },
      defaults: { issuer: "ca", solver: "dns", targets: ["store"] },
      // Pebble stops for ever with more than four requests in flight.
      workers: { issue: ISSUE_AT_ONCE[String(solver.type)] },
      ...(servedAt !== undefined && { dnsServer: { hosts: [servedAt] } }),
    },
    targets: { store: { type: "files", directory: "/nonexistent", bundle: "{certificate}.pem" } },
    certificates: Object.fromEntries(
      names.map((name) => [
        name,
        {
          names: [`*.${name}.${zone}`, `${name}.${zone}`],
          endpoints: [{ host: "127.0.0.1", port: 1, sni: `${name}.${zone}` }],
        },
      ]),
    ),
  };
  return startSystem(options);
}

async function all({ store }: System, names: readonly string[]): Promise<true | null> {
  const issued = new Set((await store.versions.listLatest()).map(({ certificate }) => certificate));
  return names.every((name) => issued.has(name)) ? true : null;
}

async function noRow({ store }: System): Promise<true | null> {
  return (await store.dns.records.list(1)).length === 0 ? true : null;
}

interface RecordService extends AsyncDisposable {
  readonly url: string;
  /** The name that was published last. */
  latest(): string;
}

interface RecordWork {
  /** False: whoever asked is dead. */
  present(name: string, value: string): Promise<boolean>;
  cleanUp(name: string, value: string): Promise<boolean>;
}

const bodySchema = z.object({ fqdn: z.string(), value: z.string() });

/** By lego's `httpreq` contract. */
async function startRecordService(work: RecordWork): Promise<RecordService> {
  let latest = "";
  const server = createServer((request, response) => {
    const serve = async (): Promise<void> => {
      const { fqdn, value } = bodySchema.parse(JSON.parse(await textOf(request)));
      const name = fqdn.replace("_acme-challenge.", "").replace(`.${ZONE}.`, "");
      const isPresent = request.url?.endsWith("/present") ?? false;
      if (isPresent) latest = name;
      const isAlive = await (isPresent ? work.present(name, value) : work.cleanUp(name, value));
      if (isAlive) response.end();
      else request.socket.destroy();
    };
    serve().catch(() => response.writeHead(500).end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    latest: () => latest,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
