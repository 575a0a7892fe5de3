// 1,000 certificates as a mass replacement: issued, deployed and proved by one `renewd run` of the built package, through
// several CAs, each behind a front; then every one is replaced. Beside it the same with 100.
//   npm run bench -- thousand
import { until } from "../test/support/until.ts";
import { startPatientFront } from "./front.ts";
import { build, type Installation, startInstallation } from "./installation.ts";
import { load, machine } from "./machine.ts";
import { median, usageOf } from "./measure.ts";

const CERTIFICATES = Number(process.env.BENCH_CERTIFICATES ?? 1_000);
const FEW = 100;
const CAS = 4;
const TIMEOUT_MS = 3_600_000;
const SAMPLE_MS = 250;
/** As for few: what the machine does besides makes a difference as well. */
const RATE_MIN = 0.9;
/** The last third of the replacement against the middle one. */
const FLAT_MAX = 1.1;

interface Replaced {
  readonly perSecond: number;
  readonly cpuMsEach: number;
  readonly memoryMb: readonly number[];
}

async function replace(count: number): Promise<Replaced> {
  const names = Array.from({ length: count }, (_, index) => `c${index}.example.org`);
  await using installation = await startInstallation({
    ...{ names, cas: CAS, front: startPatientFront },
    pebble: { env: { PEBBLE_WFE_NONCEREJECT: "0" } },
  });
  const daemon = await installation.start();
  const proved = (renewals: number) => reaches(`${renewals} proved`, installation.succeeded, renewals);
  await proved(count);
  await installation.renewd("replace", "start", "--san", "*.example.org", "--deadline", "24h", "--reason", "bench");
  await reaches("the planner", installation.planned, count + 1);
  const memoryMb: number[] = [];
  const sampling = setInterval(() => memoryMb.push(usageOf(daemon.pid).rssKb / 1024), SAMPLE_MS);
  const [startedAt, before] = [performance.now(), usageOf(daemon.pid).cpuMs];
  try {
    await proved(2 * count);
  } finally {
    clearInterval(sampling);
  }
  const perSecond = count / ((performance.now() - startedAt) / 1000);
  await requireTwoEach(installation, count);
  return { perSecond, cpuMsEach: (usageOf(daemon.pid).cpuMs - before) / count, memoryMb };
}

function reaches(what: string, look: () => number, count: number): Promise<true> {
  return until(what, async () => (look() >= count ? true : null), TIMEOUT_MS);
}

/** No generation twice: neither renewed nor ordered more often than asked. */
async function requireTwoEach({ database, requests }: Installation, count: number): Promise<void> {
  const query = "select count(*) as count from versions group by certificate";
  const generations = database.prepare(query).all();
  const others = generations.filter((row) => row.count !== 2).length + count - generations.length;
  const { newOrder } = await requests();
  report(`${count}: certificates that have not two generations`, others, 0);
  report(`${count}: orders beyond two for each`, newOrder - 2 * count, 0);
}

console.log(machine(["pebble", "haproxy", "redis-server"]));
build();
const few = await replace(FEW);
console.log(described(FEW, few));
const many = await replace(CERTIFICATES);
console.log(described(CERTIFICATES, many));
console.log(load());
report(`certificates/s, ${FEW} by ${CERTIFICATES}`, few.perSecond / many.perSecond, 1 / RATE_MIN);
const third = Math.floor(many.memoryMb.length / 3);
const [middle, last] = [many.memoryMb.slice(third, -third), many.memoryMb.slice(-third)];
report("memory, last third / middle third", median(last) / median(middle), FLAT_MAX);

function described(count: number, { perSecond, cpuMsEach, memoryMb }: Replaced): string {
  const used = `${cpuMsEach.toFixed(0)} ms CPU each, ${Math.max(...memoryMb).toFixed(0)} MB at most`;
  return `${count} replaced through ${CAS} CAs: ${perSecond.toFixed(1)}/s, ${used}`;
}

function report(what: string, value: number, max: number): void {
  const isMet = value <= max;
  console.log(`${what}: ${value.toFixed(2)} (at most ${max.toFixed(2)}) ${isMet ? "met" : "MISSED"}`);
  if (!isMet) process.exitCode = 1;
}
