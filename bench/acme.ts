// Certificates per second and client CPU per certificate of renewd's issuer against stock acme-client `auto()`, both at
// one and the same Pebble, each in processes of their own, in turns. Prints ratios: figures differ between machines.
//   npm run bench -- acme
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startPebble } from "../test/support/ca/pebble.ts";
import type { Measured } from "./acmeContender.ts";

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const CONTENDER = join(import.meta.dirname, "acmeContender.ts");
/** What the issue asks for. */
const TARGET = { speed: 3, cpu: 1 / 2 };

const directory = await mkdtemp(join(tmpdir(), "renewd-bench-"));
// No challenge is dialled and no nonce refused: what is measured is the client.
await using pebble = await startPebble({ env: { PEBBLE_VA_ALWAYS_VALID: "1", PEBBLE_WFE_NONCEREJECT: "0" } });
try {
  const trust = join(directory, "ca.pem");
  await writeFile(trust, pebble.trustPem);
  const run = async (contender: "stock" | "renewd"): Promise<Measured> => {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: trust };
    const { stdout } = await promisify(execFile)(process.execPath, [CONTENDER, contender, pebble.directory], {
      env,
      timeout: 120_000,
    });
    return JSON.parse(stdout) as Measured; // Written by the contender, a file beside this one.
  };
  const speeds: number[] = [];
  const cpus: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const stock = await run("stock");
    const renewd = await run("renewd");
    speeds.push(renewd.certificatesPerSecond / stock.certificatesPerSecond);
    cpus.push(renewd.cpuMsPerCertificate / stock.cpuMsPerCertificate);
    console.log(`round ${round}: ${describe("renewd", renewd)}; ${describe("stock", stock)}`);
  }
  // On a machine that is busy otherwise both get slower, not always alike.
  console.log(`load average ${(loadavg()[0] ?? 0).toFixed(1)} on ${availableParallelism()} processors`);
  report("certificates per second", median(speeds), median(speeds) >= TARGET.speed, `at least ${TARGET.speed}`);
  report("client CPU per certificate", median(cpus), median(cpus) <= TARGET.cpu, `at most ${TARGET.cpu}`);
} finally {
  await rm(directory, { recursive: true });
}

function describe(name: string, { certificatesPerSecond, cpuMsPerCertificate }: Measured): string {
  return `${name} ${certificatesPerSecond.toFixed(0)}/s, ${cpuMsPerCertificate.toFixed(1)} ms CPU each`;
}

function report(what: string, ratio: number, met: boolean, target: string): void {
  console.log(`${what}: renewd / stock = ${ratio.toFixed(2)} (target: ${target}) ${met ? "met" : "MISSED"}`);
  if (!met) process.exitCode = 1;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
