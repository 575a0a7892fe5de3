// Many renewals of the same short-lived certificates, one round after another, by the built package: what grows? History
// older than a minute is pruned meanwhile, as retention does after its time. Then the daemon idles. Prints what each
// part of the run used; memory, descriptors, database and Redis must be flat once everything was in use.
//   BENCH_RENEWALS=10000 npm run bench -- soak
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { requestRenewal } from "../src/queue/requests.ts";
import { applyRetention } from "../src/renewal/watch/retention.ts";
import { until } from "../test/support/until.ts";
import { startPatientFront } from "./front.ts";
import { build, startInstallation } from "./installation.ts";
import { load, machine } from "./machine.ts";
import { median, usageOf } from "./measure.ts";

const RENEWALS = Number(process.env.BENCH_RENEWALS ?? 2_000);
const CERTIFICATES = Number(process.env.BENCH_CERTIFICATES ?? 100);
const ROUND_TIMEOUT_MS = 1_800_000;
const KEPT_MS = 60_000;
/** Let's Encrypt's `shortlived` profile. */
const VALIDITY_S = 160 * 3600;
const IDLE_MS = 30_000;
/** The last third of the rounds against the middle one: a heap breathes, files grow by whole pages. */
const FLAT_MAX = 1.1;
const IDLE_CPU_MAX = 0.01;
const MEBI = 1024 * 1024;

interface Sample {
  /** renewd, its Redis, and whatever they started. */
  readonly memoryMb: number;
  readonly descriptors: number;
  readonly databaseMb: number;
  readonly databaseLogMb: number;
  readonly redisMb: number;
  readonly redisFilesMb: number;
}

console.log(machine(["pebble", "haproxy", "redis-server"]));
build();
const names = Array.from({ length: CERTIFICATES }, (_, index) => `c${index}.example.org`);
await using installation = await startInstallation({
  ...{ names, cas: 1, front: startPatientFront },
  pebble: { certificateValidityPeriodSeconds: VALIDITY_S, env: { PEBBLE_WFE_NONCEREJECT: "0" } },
});
const { system, database } = installation;
const file = join(system.dataDir, "renewd.db");
const redisDirectory = join(system.dataDir, "redis");
const daemon = await installation.start();

const samples: Sample[] = [];
const rounds = Math.ceil(RENEWALS / CERTIFICATES);
const startedAt = performance.now();
const usedAtStart = usageOf(daemon.pid).cpuMs;
let tables = sizes();
for (let round = 1; round <= rounds; round++) {
  // The first comes by itself.
  if (round > 1) await Promise.all(names.map((_, index) => ask(`c${index}`)));
  await until(`round ${round}`, async () => (proved() >= round ? true : null), ROUND_TIMEOUT_MS);
  await prune();
  samples.push(await sample());
  if (round === Math.ceil(rounds / 3)) tables = sizes();
  if (round % Math.ceil(rounds / 20) === 0) console.log(`after ${round * CERTIFICATES}: ${told(samples.at(-1))}`);
}
const count = rounds * CERTIFICATES;
const tookS = (performance.now() - startedAt) / 1000;
const cpuMs = (usageOf(daemon.pid).cpuMs - usedAtStart) / count;
console.log(`${count} renewals in ${tookS.toFixed(0)} s, ${cpuMs.toFixed(0)} ms CPU each, ${load()}`);
const third = Math.floor(samples.length / 3);
for (const key of ["memoryMb", "descriptors", "databaseMb", "redisMb"] as const) {
  const of = (part: readonly Sample[]): number => median(part.map((each) => each[key]));
  report(`${key}, last third / middle third`, of(samples.slice(-third)) / of(samples.slice(third, -third)), FLAT_MAX);
}
const highest = (key: keyof Sample): string => Math.max(...samples.map((each) => each[key])).toFixed(0);
console.log(`at most: database's log ${highest("databaseLogMb")} MB, Redis' files ${highest("redisFilesMb")} MB`);
for (const [name, pages] of sizes()) {
  const before = tables.get(name) ?? 0;
  if (pages > before) console.log(`  ${name}: ${before} pages after a third, ${pages} at the end`);
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
function proved(): number {
  const latest = `select max(generation) as generation from versions where verified_at is not null group by certificate`;
  const found = database.prepare(`select count(*) as all_, min(generation) as least from (${latest})`).get();
  return Number(found?.all_) < CERTIFICATES ? 0 : Number(found?.least);
}

/**
 * What retention does after its time, with shorter times; the keys of superseded pairs go before they have expired.
 * Retention keeps renewals and pairs a day longer than the events about them, as clocks may differ. A bench has no day
 * to wait, so it removes them itself.
 */
async function prune(): Promise<void> {
  const { context } = system.app;
  const retention = { ...context.settings.retention, historyMs: KEPT_MS, keysMs: -2 * VALIDITY_S * 1000 };
  const settings = { ...context.settings, retention };
  await applyRetention({ ...context, settings }, new AbortController().signal);
  const writing = new DatabaseSync(file, { timeout: 30_000 });
  try {
    const old = "created_at < (select min(at) from events)";
    writing.exec(`delete from renewals where state = 'succeeded' and ${old}`);
    writing.exec(`delete from versions where sealed_key = '' and ${old}`);
  } finally {
    writing.close();
  }
}

async function sample(): Promise<Sample> {
  const socket = ["-s", join(redisDirectory, "redis.sock")];
  const { stdout } = await promisify(execFile)("redis-cli", [...socket, "info", "memory"]);
  const redisFiles = readdirSync(redisDirectory, { recursive: true, encoding: "utf8" });
  return {
    memoryMb: usageOf(daemon.pid).rssKb / 1024,
    descriptors: readdirSync(`/proc/${daemon.pid}/fd`).length,
    databaseMb: sizeMb(file),
    databaseLogMb: sizeMb(`${file}-wal`),
    redisMb: Number(/^used_memory:(\d+)/m.exec(stdout)?.[1]) / MEBI,
    redisFilesMb: redisFiles.reduce((sum, name) => sum + sizeMb(join(redisDirectory, name)), 0),
  };
}

function sizeMb(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) / MEBI;
}

/** Pages of each table and index, and of what is free. */
function sizes(): Map<string, number> {
  const rows = database.prepare("select name, count(*) as pages from dbstat group by name").all();
  const free = Object.values(database.prepare("pragma freelist_count").get() ?? {})[0];
  return new Map([...rows.map(({ name, pages }) => [String(name), Number(pages)] as const), ["free", Number(free)]]);
}

function told(sample: Sample | undefined): string {
  return Object.entries(sample ?? {})
    .map(([key, value]) => `${key} ${value.toFixed(1)}`)
    .join(", ");
}

function report(what: string, value: number, max: number): void {
  const isMet = value <= max;
  console.log(`${what}: ${value.toFixed(3)} (at most ${max}) ${isMet ? "met" : "MISSED"}`);
  if (!isMet) process.exitCode = 1;
}
