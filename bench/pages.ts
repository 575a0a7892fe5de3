/**
 * Server time of every list, page, document and file over ten thousand certificates, in process: no network, no
 * browser.
 *
 *   node bench/pages.ts [--certificates N] [--past N] [--only TEXT] [--rounds N] [--profile FILE] [--data DIRECTORY]
 *
 * `--data`: the database stays there for the next run, whose proofs are as old as the directory by then. Prints for
 * each the time on the clock, and the processor time of the thread that answers, which says the same on a machine that
 * is busy with something else. Exit code 1 where a list or a page is above the limit at its 95th percentile, or where
 * anything keeps the thread for longer than that at a stretch.
 */
import { writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { seedFleet } from "../test/support/system/seedFleet.ts";
import { createWebEstate } from "../test/support/system/webEstate.ts";

const { values: options } = parseArgs({
  // `npm run bench -- pages`
  allowPositionals: true,
  options: {
    certificates: { type: "string", default: "10000" },
    past: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "25" },
    profile: { type: "string" },
    data: { type: "string" },
  },
});
const CERTIFICATES = Number(options.certificates);
const ROUNDS = Number(options.rounds);
const P95_MAX_MS = 50;
/** One of every kind of trouble in each hundred. */
const KINDS = ["limited", "targetDown", "paused", "inFlight", "held", "expired", "notServed", "retrying"] as const;

const PAGES = [
  ...["/", "/certificates", "/certificates?state=failing&sort=-expires", "/certificates?q=c99&waiting=window"],
  ...["/certificates?sort=certificate&limit=200", "/certificates/c42"],
  ...["/history", "/history?q=state:failed", "/history?q=name:c42", "/history?q=serial:003A000F01"],
  ...["/history?q=error:acme.", "/history?q=issuer:ca", "/history?q=target:edge", "/history?q=actor:alice"],
  ...["/history?q=refused", "/history?view=events", "/history?q=target:edge&view=events"],
  ...["/calendar", "/endpoints", "/endpoints?state=notServed", "/targets", "/targets?target=edge&state=failing"],
  ...["/issuers", "/replacements", "/alerts", "/report", "/actions/renew?certificate=c42"],
].map((path) => ({ path, accept: "text/html", isWhole: false }));
const LISTS = [
  ...["certificates", "certificates?state=failing&sort=-expires&limit=200", "certificates/c42"],
  ...["certificates/c42/versions", "certificates/c42/observations", "renewals", "renewals?q=target:edge"],
  ...["events", "events?q=name:c42", "deployments", "endpoints?state=notServed", "targets", "issuers", "replacements"],
  ...["alerts", "documents/history?limit=200", "openapi.json", "reference"],
].map((path) => ({ path: `/api/v1/${path}`, accept: "application/json", isWhole: false }));
/** Everything there is: more than a page, so bounded by how long it keeps others waiting. */
const WHOLE = [
  ...["/certificates.csv", "/certificates.csv?state=failing", "/endpoints.csv", "/targets.csv", "/history.csv"],
  ...["/calendar.ics", "/metrics", "/api/v1/status", "/api/v1/plan", "/api/v1/documents/certificates"],
].map((path) => ({ path, accept: "*/*", isWhole: true }));
const ROUTES = [...PAGES, ...LISTS, ...WHOLE].filter(({ path }) => path.includes(options.only));

await using estate = await createWebEstate({
  names: [],
  planned: false,
  sections: {
    ...(options.data !== undefined && { dataDir: options.data }),
    // A file may have a mebibyte.
    defaults: { issuer: "ca", solver: "http", targets: ["lb", "edge"] },
    certificates: Object.fromEntries(
      Array.from({ length: CERTIFICATES }, (_, index) => [
        `c${index}`,
        { names: [`c${index}.test`], endpoints: [{ host: `c${index}.test`, port: 443 }] },
      ]),
    ),
  },
});
if ((await estate.store.renewals.list({ limit: 1 })).length === 0) {
  const seedingAt = performance.now();
  await seedFleet(estate.store, estate.web.estate().certificates, {
    now: Date.now(),
    past: Number(options.past),
    kindOf: (index) => KINDS[index % 100] ?? "healthy",
  });
  console.log(`${CERTIFICATES} certificates written in ${((performance.now() - seedingAt) / 1_000).toFixed(1)} s`);
}

/** The longest stretch of processor time without a turn for anything else. */
const turns = { at: cpuMs(), longestMs: 0 };
setInterval(() => {
  const at = cpuMs();
  turns.longestMs = Math.max(turns.longestMs, at - turns.at);
  turns.at = at;
}, 1).unref();
let rssMax = 0;
const first = await measured({ path: "/", accept: "text/html" });
console.log(`first page, which reads the whole fleet: ${first.cpuMs.toFixed(0)} ms of processor time`);

const session = new Session();
if (options.profile !== undefined) {
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
}
const slow: string[] = [];
const rows: string[][] = [];
for (const route of ROUTES) {
  await measured(route);
  turns.longestMs = 0;
  const times = { wallMs: [] as number[], cpuMs: [] as number[] };
  let bytes = 0;
  for (let round = 0; round < (route.isWhole ? Math.ceil(ROUNDS / 5) : ROUNDS); round++) {
    const found = await measured(route);
    times.wallMs.push(found.wallMs);
    times.cpuMs.push(found.cpuMs);
    bytes = found.bytes;
    // Requests do not come back to back; in between the fleet is read again.
    await delay(5);
  }
  const { wallMs, cpuMs: cpu } = times;
  if (turns.longestMs > P95_MAX_MS || (!route.isWhole && at(cpu, 0.95) > P95_MAX_MS)) slow.push(route.path);
  const figures = [at(wallMs, 0.5), at(wallMs, 0.95), at(cpu, 0.5), at(cpu, 0.95), at(cpu, 1), turns.longestMs];
  rows.push([route.path, ...figures.map((ms) => ms.toFixed(1)), (bytes / 1_024).toFixed(0)]);
}
if (options.profile !== undefined) {
  const { profile } = await session.post("Profiler.stop");
  await writeFile(options.profile, JSON.stringify(profile));
}
const width = Math.max(...rows.map(([path = ""]) => path.length));
console.log(`${"".padEnd(width)}   p50 ms   p95 ms  cpu p50  cpu p95  cpu max     turn      KiB`);
for (const [path = "", ...figures] of rows)
  console.log(`${path.padEnd(width)} ${figures.map((figure) => figure.padStart(8)).join(" ")}`);
console.log(`at most ${Math.round(rssMax / 1_048_576)} MiB of memory`);
console.log(slow.length > 0 ? `NOT within ${P95_MAX_MS} ms: ${slow.join(" ")}` : `all within ${P95_MAX_MS} ms`);
process.exitCode = slow.length > 0 ? 1 : 0;

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function at(times: number[], fraction: number): number {
  times.sort((a, b) => a - b);
  return times[Math.min(times.length - 1, Math.floor(times.length * fraction))] ?? 0;
}

async function measured({ path, accept }: { readonly path: string; readonly accept: string }) {
  const [wallAt, cpuAt] = [performance.now(), cpuMs()];
  const response = await estate.ask(path, { headers: { accept } });
  let bytes = 0;
  for await (const chunk of response.body ?? []) bytes += chunk.byteLength;
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}`);
  rssMax = Math.max(rssMax, process.memoryUsage.rss());
  return { wallMs: performance.now() - wallAt, cpuMs: cpuMs() - cpuAt, bytes };
}
