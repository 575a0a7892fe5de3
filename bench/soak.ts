// Many renewals of the same certificates, one round after another, by one `renewd run` with its own Redis and SQLite and
// a running HAProxy: what grows? History older than a minute is pruned meanwhile, as retention does after its time. Then
// the daemon idles. Prints what each part of the run used; memory, descriptors, database and Redis must be flat.
//   BENCH_RENEWALS=10000 npm run bench -- soak
import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { requestRenewal } from "../src/queue/requests.ts";
import { applyRetention } from "../src/renewal/watch/retention.ts";
import { startHaproxy } from "../test/support/servers/haproxy.ts";
import { startRenewd } from "../test/support/system/renewd.ts";
import { startSystem } from "../test/support/system/system.ts";
import { until } from "../test/support/until.ts";
import { median, usageOf } from "./measure.ts";

const RENEWALS = Number(process.env.BENCH_RENEWALS ?? 2_000);
const CERTIFICATES = 50;
const ROUND_TIMEOUT_MS = 300_000;
const KEPT_MS = 60_000;
const IDLE_MS = 30_000;
/** The last third of the rounds against the middle one: a heap breathes, files grow by whole pages. */
const FLAT_MAX = 1.15;
const IDLE_CPU_MAX = 0.01;

interface Sample {
  readonly renewdMb: number;
  readonly descriptors: number;
  readonly databaseMb: number;
  readonly redisMb: number;
}

await using haproxy = await startHaproxy();
const names = Array.from({ length: CERTIFICATES }, (_, index) => `c${index}`);
const nameOf = (certificate: string): string => `${certificate}.example.org`;
const endpoint = (sni: string) => ({ host: "127.0.0.1", port: haproxy.port, sni });
await using system = await startSystem({
  targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
  certificates: Object.fromEntries(
    names.map((name) => [name, { names: [nameOf(name)], targets: ["lb"], endpoints: [endpoint(nameOf(name))] }]),
  ),
  pebble: { env: { PEBBLE_WFE_NONCEREJECT: "0" } },
  // Ticks as by default, which the idle daemon pays for.
  sections: { planner: undefined, web: { enabled: false } },
});
await using daemon = startRenewd(["run", "--yes", "--config", system.configFile]);
await daemon.logged("renewd is running");

const samples: Sample[] = [];
const rounds = Math.ceil(RENEWALS / CERTIFICATES);
const startedAt = performance.now();
for (let round = 1; round <= rounds; round++) {
  // The first comes by itself.
  if (round > 1) await Promise.all(names.map(ask));
  await until(`round ${round}`, async () => ((await proved()) >= round ? true : null), ROUND_TIMEOUT_MS);
  await prune();
  samples.push(await sample());
  if (round % Math.ceil(rounds / 10) === 0)
    console.log(`after ${round * CERTIFICATES} renewals: ${told(samples.at(-1))}`);
}
const tookS = (performance.now() - startedAt) / 1000;
console.log(
  `${rounds * CERTIFICATES} renewals of ${CERTIFICATES} certificates in ${tookS.toFixed(0)} s, load average ${(loadavg()[0] ?? 0).toFixed(1)}`,
);
const third = Math.floor(samples.length / 3);
for (const key of ["renewdMb", "descriptors", "databaseMb", "redisMb"] as const) {
  const of = (part: readonly Sample[]): number => median(part.map((each) => each[key]));
  report(`${key}, last third / middle third`, of(samples.slice(-third)) / of(samples.slice(third, -third)), FLAT_MAX);
}
const before = usageOf(daemon.pid).cpuMs;
await delay(IDLE_MS);
report("CPU of the idle daemon, of one processor", (usageOf(daemon.pid).cpuMs - before) / IDLE_MS, IDLE_CPU_MAX);

/** On a busy machine Redis may answer late. Under the same id it is the same request, taken once. */
async function ask(certificate: string): Promise<void> {
  const request = { version: 1, certificate, force: true, requestedBy: "bench" } as const;
  const id = randomUUID();
  await until(`a request for ${certificate}`, () => requestRenewal(system.app.redis, request, id).catch(() => null));
}

/** How often every certificate was renewed and proved. */
async function proved(): Promise<number> {
  const latest = await system.store.versions.listLatest();
  const generations = latest.map(({ generation, verifiedAt }) => (verifiedAt === null ? generation - 1 : generation));
  return latest.length < CERTIFICATES ? 0 : Math.min(...generations);
}

async function prune(): Promise<void> {
  const { clock, ...context } = system.app.context;
  const later = { now: () => clock.now() + context.settings.retention.historyMs - KEPT_MS };
  await applyRetention(
    { ...context, clock: later, clockGuard: { check: async () => {} } },
    new AbortController().signal,
  );
}

async function sample(): Promise<Sample> {
  const files = (await readdir(system.dataDir)).filter((name) => /\.(?:db|sqlite)(?:-wal)?$/.test(name));
  const sizes = await Promise.all(files.map((name) => stat(join(system.dataDir, name))));
  const mebi = 1024 * 1024;
  return {
    renewdMb: usageOf(daemon.pid).rssKb / 1024,
    descriptors: readdirSync(`/proc/${daemon.pid}/fd`).length,
    databaseMb: sizes.reduce((sum, { size }) => sum + size, 0) / mebi,
    redisMb: usageOf(system.redis.pid).rssKb / 1024,
  };
}

function told(sample: Sample | undefined): string {
  return Object.entries(sample ?? {})
    .map(([key, value]) => `${key} ${value.toFixed(0)}`)
    .join(", ");
}

function report(what: string, value: number, max: number): void {
  const isMet = value <= max;
  console.log(`${what}: ${value.toFixed(3)} (at most ${max}) ${isMet ? "met" : "MISSED"}`);
  if (!isMet) process.exitCode = 1;
}
