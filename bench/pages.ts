/**
 * Server time of every list and page over ten thousand certificates, in process: no network, no browser. Prints p50, p95,
 * the largest and the CPU time for each; exit code 1 where a p95 is above the limit.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { seedFleet } from "../test/support/system/seedFleet.ts";
import { createWebEstate } from "../test/support/system/webEstate.ts";

const CERTIFICATES = Number(process.argv[2] ?? 10_000);
const ROUNDS = 25;
const P95_MAX_MS = 50;
/** One of every kind of trouble in each hundred. */
const KINDS = ["limited", "targetDown", "paused", "inFlight", "held", "expired", "notServed", "retrying"] as const;

const PAGES = [
  ...["/", "/certificates", "/certificates?state=failing&sort=-expires", "/certificates?q=c99&waiting=window"],
  ...["/certificates?sort=certificate&limit=200", "/certificates/c42", "/certificates.csv?state=failing"],
  ...[
    "/history",
    "/history?q=state:failed",
    "/history?q=name:c42",
    "/history?q=serial:003A000F01",
    "/history?q=error:acme.",
  ],
  ...["/history?q=issuer:ca", "/history?q=target:edge", "/history?q=actor:alice", "/history?view=events"],
  ...["/calendar", "/endpoints", "/endpoints?state=notServed", "/targets", "/targets?target=edge&state=failing"],
  ...["/issuers", "/replacements", "/alerts", "/report", "/actions/renew?certificate=c42"],
];

await using estate = await createWebEstate({
  names: [],
  planned: false,
  sections: {
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
const seedingAt = performance.now();
await seedFleet(estate.store, estate.web.estate().certificates, {
  now: Date.now(),
  past: 0,
  kindOf: (index) => KINDS[index % 100] ?? "healthy",
});
console.log(`${CERTIFICATES} certificates written in ${((performance.now() - seedingAt) / 1_000).toFixed(1)} s`);
const first = await timed("/");
console.log(`first page, which reads the whole fleet: ${first.toFixed(0)} ms`);

let isSlow = false;
const rows: string[][] = [];
for (const path of PAGES) {
  const times: number[] = [];
  await timed(path);
  const cpuBefore = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round++) {
    times.push(await timed(path));
    // Requests do not come back to back; in between the fleet is read again.
    await delay(5);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  // On a machine that is busy with something else this says more than the clock.
  const cpuMs = (user + system) / 1_000 / ROUNDS;
  times.sort((a, b) => a - b);
  const at = (fraction: number): number => times[Math.min(times.length - 1, Math.floor(times.length * fraction))] ?? 0;
  isSlow ||= at(0.95) > P95_MAX_MS;
  rows.push([path, ...[at(0.5), at(0.95), at(1), cpuMs].map((ms) => ms.toFixed(1))]);
}
const width = Math.max(...rows.map(([path = ""]) => path.length));
console.log(`${"page".padEnd(width)}   p50 ms   p95 ms   max ms   cpu ms`);
for (const [path = "", ...times] of rows)
  console.log(`${path.padEnd(width)} ${times.map((time) => time.padStart(8)).join(" ")}`);
console.log(isSlow ? `NOT within ${P95_MAX_MS} ms` : `every p95 is within ${P95_MAX_MS} ms`);
process.exitCode = isSlow ? 1 : 0;

async function timed(path: string): Promise<number> {
  const begun = performance.now();
  const response = await estate.ask(path, { headers: { accept: "text/html" } });
  await response.text();
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}`);
  return performance.now() - begun;
}
