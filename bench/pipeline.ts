// The whole pipeline, due to proved, against tools that only issue: one Pebble without sleeps for each, http-01, P-256.
// renewd: one `renewd run` with its own Redis, a running HAProxy, every endpoint verified as by default. Prints ratios:
// figures differ between machines.
//   npm run bench -- pipeline
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Pebble, startPebble } from "../test/support/ca/pebble.ts";
import { startHaproxy } from "../test/support/servers/haproxy.ts";
import { startRenewd } from "../test/support/system/renewd.ts";
import { startSystem } from "../test/support/system/system.ts";
import { until } from "../test/support/until.ts";
import { type Measured, measured, median, usageOf } from "./measure.ts";
import { caddy } from "./peers/caddy.ts";
import { lego } from "./peers/lego.ts";

const CERTIFICATES = Number(process.env.BENCH_CERTIFICATES ?? 100);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const ONLY = process.env.BENCH_ONLY?.split(",");
const TIMEOUT_MS = 600_000;
const PEER_TIMEOUT_MS = 60_000;
const ACME_CLIENT = join(import.meta.dirname, "peers/acmeClient.ts");
const PEBBLE = { env: { PEBBLE_WFE_NONCEREJECT: "0" } };

const names = Array.from({ length: CERTIFICATES }, (_, index) => `c${index}.example.org`);

async function renewd(): Promise<Measured> {
  await using haproxy = await startHaproxy();
  const endpoint = (sni: string) => ({ host: "127.0.0.1", port: haproxy.port, sni });
  await using system = await startSystem({
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: Object.fromEntries(
      names.map((name, index) => [`c${index}`, { names: [name], targets: ["lb"], endpoints: [endpoint(name)] }]),
    ),
    pebble: PEBBLE,
    // Redis of its own, and proof as by default.
    sections: { redis: undefined, verification: undefined, web: { enabled: false } },
  });
  await using daemon = startRenewd(["run", "--yes", "--config", system.configFile]);
  await daemon.logged("renewd is running");
  return await measured(
    CERTIFICATES,
    () => usageOf(daemon.pid),
    () =>
      until(
        "all renewals",
        async () => {
          const all = await system.store.renewals.list({ limit: CERTIFICATES + 1, states: ["succeeded"] });
          return all.length >= CERTIFICATES ? true : null;
        },
        TIMEOUT_MS,
      ),
  );
}

async function acmeClient(pebble: Pebble): Promise<Measured> {
  await using system = new AsyncDisposableStack();
  const child = spawn(
    process.execPath,
    [ACME_CLIENT, pebble.directory, String(pebble.httpPort), String(CERTIFICATES)],
    {
      env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_NO_WARNINGS: "1" },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  system.defer(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  return await measured(
    CERTIFICATES,
    () => usageOf(child.pid ?? 0),
    async () => {
      child.stdin.write("go\n");
      await once(lines, "line");
    },
  );
}

async function withPebble(run: (pebble: Pebble) => Promise<Measured>): Promise<Measured> {
  await using pebble = await startPebble(PEBBLE);
  return await run(pebble);
}

const contenders: Readonly<Record<string, () => Promise<Measured>>> = {
  renewd,
  // Pebble 2.4 can hang with many requests in flight, and Caddy has no limit of its own.
  caddy: () => withPebble((pebble) => caddy(pebble, names, PEER_TIMEOUT_MS)),
  "acme-client": () => withPebble(acmeClient),
  lego: () => withPebble((pebble) => lego(pebble, names)),
};

const results = new Map<string, Measured[]>();
for (let round = 1; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(contenders)) {
    if (ONLY !== undefined && !ONLY.includes(name)) continue;
    const result = await run().catch((error: unknown) => {
      console.log(`round ${round}: ${name} did not finish: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
      return null;
    });
    if (result === null) continue;
    results.set(name, [...(results.get(name) ?? []), result]);
    console.log(`round ${round}: ${describe(name, result)}`);
  }
}
console.log(`load average ${(loadavg()[0] ?? 0).toFixed(1)} on ${availableParallelism()} processors`);
const medians = new Map([...results].map(([name, all]) => [name, medianOf(all)]));
for (const [name, result] of medians) console.log(`median: ${describe(name, result)}`);
const ours = medians.get("renewd");
for (const [name, peer] of medians) {
  if (ours === undefined || name === "renewd") continue;
  console.log(
    `renewd / ${name}: wall ${(ours.wallS / peer.wallS).toFixed(1)}, CPU ${(ours.cpuMsEach / peer.cpuMsEach).toFixed(1)}, ` +
      `memory ${(ours.peakRssMb / peer.peakRssMb).toFixed(1)}`,
  );
}

function describe(name: string, { wallS, cpuMsEach, peakRssMb }: Measured): string {
  return `${name}: ${wallS.toFixed(1)} s, ${cpuMsEach.toFixed(0)} ms CPU each, ${peakRssMb.toFixed(0)} MB at most`;
}

function medianOf(all: readonly Measured[]): Measured {
  return {
    wallS: median(all.map(({ wallS }) => wallS)),
    cpuMsEach: median(all.map(({ cpuMsEach }) => cpuMsEach)),
    peakRssMb: median(all.map(({ peakRssMb }) => peakRssMb)),
  };
}
