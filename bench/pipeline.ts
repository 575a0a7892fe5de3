// The whole pipeline, due to proved, against tools that only issue. For each contender a Pebble without sleeps behind
// a front that lets one request through at a time; http-01, P-256. Prints ratios: figures differ between machines.
//   npm run bench -- pipeline
import { type Pebble, startPebble } from "../test/support/ca/pebble.ts";
import { until } from "../test/support/until.ts";
import { type Front, Hung, startFront, startPatientFront } from "./front.ts";
import { build, type Installation, startInstallation } from "./installation.ts";
import { load, machine } from "./machine.ts";
import { type Measured, measured, median, usageOf } from "./measure.ts";
import { acmeClient } from "./peers/acmeClient.ts";
import { caddy } from "./peers/caddy.ts";
import { lego } from "./peers/lego.ts";

const CERTIFICATES = Number(process.env.BENCH_CERTIFICATES ?? 100);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const ONLY = process.env.BENCH_ONLY?.split(",");
const TIMEOUT_MS = 600_000;
const PEER_TIMEOUT_MS = 120_000;
const ATTEMPTS_MAX = 3;
/** Percent of the nonces that the CA refuses in the last part. */
const REFUSED = 5;
/** The daemon just started, as the peers are; and warm, renewing what it has. */
const OURS = ["renewd", "renewd, again"] as const;

const names = Array.from({ length: CERTIFICATES }, (_, index) => `c${index}.example.org`);
type Results = Readonly<Record<string, Measured>>;

async function renewd(refused: number, front: (pebble: Pebble) => Promise<Front>): Promise<Results> {
  await using installation = await startInstallation({
    ...{ names, cas: 1, front },
    pebble: pebbleRefusing(refused),
  });
  const daemon = await installation.start();
  const contender = { usage: () => usageOf(daemon.pid), requests: installation.requests };
  const [first, again] = OURS;
  const cold = await measured(CERTIFICATES, contender, () => proved(installation, CERTIFICATES));
  await installation.renewd("replace", "start", "--issuer", "ca0", "--deadline", "24h", "--reason", "bench");
  // The planner's next tick makes them due.
  await until("the planner", async () => (installation.planned() > CERTIFICATES ? true : null), TIMEOUT_MS);
  const warm = await measured(CERTIFICATES, contender, () => proved(installation, 2 * CERTIFICATES));
  const { all, newNonce, newOrder } = await installation.requests();
  console.log(`  CA asked ${all} times for 2 × ${CERTIFICATES} certificates: ${newOrder} orders, ${newNonce} nonces`);
  return { [first]: cold, [again]: warm };
}

function proved(installation: Installation, count: number): Promise<true> {
  const look = async () => (installation.succeeded() >= count ? true : null);
  return Promise.race([until(`${count} renewals to succeed`, look, TIMEOUT_MS), installation.hung]);
}

function pebbleRefusing(percent: number) {
  return { env: { PEBBLE_WFE_NONCEREJECT: String(percent) } };
}

async function withFront(order: (front: Front) => Promise<Measured>): Promise<Measured> {
  await using pebble = await startPebble(pebbleRefusing(0));
  await using front = await startFront(pebble);
  return await order(front);
}

/** Pebble can hang even so, when somebody asks for an order at the very moment that its certificate is made. */
async function unlessHung(run: () => Promise<Results>): Promise<Results> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Hung) || attempt === ATTEMPTS_MAX) throw error;
      console.log("  Pebble hangs, which is no contender's fault: once more with another");
    }
  }
}

const contenders: Readonly<Record<string, () => Promise<Results>>> = {
  renewd: () => renewd(0, startFront),
  ...Object.fromEntries(
    Object.entries({ caddy, "acme-client": acmeClient, lego }).map(([name, order]) => [
      name,
      async () => ({ [name]: await withFront((front) => order(front, names, PEER_TIMEOUT_MS)) }),
    ]),
  ),
};

console.log(machine(["pebble", "haproxy", "redis-server", "caddy", "lego"]));
build();
const results = new Map<string, Measured[]>();
for (let round = 1; round <= ROUNDS; round++) {
  for (const [contender, run] of Object.entries(contenders)) {
    if (ONLY !== undefined && !ONLY.includes(contender)) continue;
    for (const [name, result] of Object.entries(await unlessHung(run))) {
      results.set(name, [...(results.get(name) ?? []), result]);
      console.log(`round ${round}: ${describe(name, result)}`);
    }
  }
}
console.log(load());
const medians = new Map([...results].map(([name, all]) => [name, medianOf(all)]));
for (const [name, result] of medians) console.log(`median: ${describe(name, result)}`);
for (const name of OURS) judge(name);
// No peer is compared here, so that the front may keep Pebble from hanging.
console.log(`--- ${REFUSED} % of the nonces refused`);
for (const [name, result] of Object.entries(await renewd(REFUSED, startPatientFront))) {
  console.log(describe(name, result));
}

function judge(name: string): void {
  const ours = medians.get(name);
  if (ours === undefined) return;
  const ratio = (peer: string, key: "wallS" | "cpuMsEach"): number =>
    ours[key] / (medians.get(peer)?.[key] ?? Number.NaN);
  report(`${name}: wall / Caddy's`, ratio("caddy", "wallS"), 2);
  report(`${name}: wall / lego's`, ratio("lego", "wallS"), 0.2);
  report(`${name}: wall / acme-client's`, ratio("acme-client", "wallS"), 0.6);
  report(`${name}: CPU / lego's`, ratio("lego", "cpuMsEach"), 0.35);
  report(`${name}: ms CPU each`, ours.cpuMsEach, 30);
  report(`${name}: MB at most`, ours.peakRssMb, 180);
  report(`${name}: requests each`, ours.requestsEach, 8.2);
  report(`${name}: newNonce each`, ours.newNonceEach, 0.05);
}

/** Of a peer that was left out there is nothing to say. */
function report(what: string, value: number, max: number): void {
  if (Number.isNaN(value)) return;
  const isMet = value <= max;
  console.log(`${what}: ${value.toFixed(2)} (at most ${max}) ${isMet ? "met" : "MISSED"}`);
  if (!isMet) process.exitCode = 1;
}

function describe(name: string, { wallS, cpuMsEach, peakRssMb, requestsEach, newNonceEach }: Measured): string {
  const used = `${wallS.toFixed(2)} s, ${cpuMsEach.toFixed(0)} ms CPU each, ${peakRssMb.toFixed(0)} MB at most`;
  return `${name}: ${used}, ${requestsEach.toFixed(2)} requests and ${newNonceEach.toFixed(2)} newNonce each`;
}

function medianOf(all: readonly Measured[]): Measured {
  const of = (key: keyof Measured): number => median(all.map((each) => each[key]));
  return {
    ...{ wallS: of("wallS"), cpuMsEach: of("cpuMsEach"), peakRssMb: of("peakRssMb") },
    ...{ requestsEach: of("requestsEach"), newNonceEach: of("newNonceEach") },
  };
}
