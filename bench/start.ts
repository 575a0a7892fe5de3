// What a command and a daemon cost before they do anything: processor time of commands and of `renewd run` until it is
// ready, from sources and of the package that `npm run build` makes; then the memory and the processor time of an idle
// daemon with one certificate, proved at a running HAProxy, and a private Redis. It builds dist/ first.
//   npm run bench -- start        BENCH_RUNS=9 commands each, BENCH_IDLE_S=60
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { startHaproxy } from "../test/support/servers/haproxy.ts";
import { configText, createInstallation } from "../test/support/system/installation.ts";
import { startRenewd } from "../test/support/system/renewd.ts";
import { startSystem } from "../test/support/system/system.ts";
import { STARTED_WITH } from "./installation.ts";
import { median } from "./measure.ts";

const ROOT = join(import.meta.dirname, "..");
const RUNS = Number(process.env.BENCH_RUNS ?? 9);
const IDLE_S = Number(process.env.BENCH_IDLE_S ?? 60);
/** For a minute after its start a daemon looks more often. */
const SETTLE_S = 65;
const TICK_MS = 10;
const KINDS = { built: "dist/src/cli/main.js", "from sources": "src/cli/main.ts" } as const;
const TARGETS_MS = { "--help": 200, status: 400, run: 1_000 } as const;
const NAME = "www.example.org";

const run = promisify(execFile);
await run(process.execPath, [join(ROOT, "scripts/build.ts")]);

await using installation = await createInstallation(configText(Array.from({ length: 10 }, (_, at) => `www${at}`)));
for (const command of ["--version", "--help", "status"]) {
  for (const [kind, entry] of Object.entries(KINDS)) {
    const times: number[] = [];
    // The first fills the cache of compiled code.
    for (let round = 0; round <= RUNS; round++) {
      const before = fieldsOf("self").ofChildrenMs;
      // Exit code 1: nothing is issued yet.
      await run(process.execPath, [join(ROOT, entry), command, "-c", installation.configFile]).catch(() => {});
      if (round > 0) times.push(fieldsOf("self").ofChildrenMs - before);
    }
    say(`renewd ${command}`, kind, median(times), command in TARGETS_MS ? targetOf(command) : null);
  }
}

for (const [kind, entry] of Object.entries(KINDS)) {
  await using haproxy = await startHaproxy();
  await using system = await startSystem({
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: {
      www: { names: [NAME], targets: ["lb"], endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }] },
    },
    // Ticks and sweeps as by default, which the idle daemon pays for.
    sections: { redis: undefined, planner: undefined },
  });
  const wrapper = entry.endsWith(".js") ? [process.execPath] : [];
  const start = () => startRenewd(["run", "--yes", "--config", system.configFile], STARTED_WITH, entry, wrapper);
  await using first = start();
  await system.ended("www");
  await first.stop();
  // Now nothing is due: what it uses until it is ready is not work.
  await using daemon = start();
  await daemon.logged("renewd is running");
  say("renewd run until ready", kind, sum([daemon.pid, ...childrenOf(daemon.pid)].map(busyMs)), TARGETS_MS.run);
  await sleep(SETTLE_S * 1_000);
  const pids = [daemon.pid, ...childrenOf(daemon.pid)];
  const before = sum(pids.map(busyMs));
  await sleep(IDLE_S * 1_000);
  const share = (sum(pids.map(busyMs)) - before) / IDLE_S / 10;
  console.log(
    `idle daemon, ${kind}: ${share.toFixed(2)} % of one processor (target: at most 1 %), renewd ${memoryOf(daemon.pid)}; ` +
      `Redis ${childrenOf(daemon.pid).map(memoryOf).join(", ")}`,
  );
}
console.log(`load average ${(loadavg()[0] ?? 0).toFixed(1)}`);

function say(what: string, kind: string, ms: number, targetMs: number | null): void {
  const verdict = targetMs === null ? "" : ` (target: ${targetMs} ms) ${ms <= targetMs ? "met" : "MISSED"}`;
  console.log(`${what}, ${kind}: ${ms} ms of processor time${verdict}`);
  // The targets are for what users run.
  if (kind === "built" && targetMs !== null && ms > targetMs) process.exitCode = 1;
}

function targetOf(command: string): number | null {
  return Object.entries(TARGETS_MS).find(([name]) => name === command)?.[1] ?? null;
}

/** proc_pid_stat(5), after the name: field 4 is the parent, 14 and 15 its own time, 16 and 17 that of ended children. */
function fieldsOf(pid: number | "self"): { parent: number; ownMs: number; ofChildrenMs: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [own, ofChildren] = [fields.slice(11, 13), fields.slice(13, 15)];
  return { parent: fields[1] ?? 0, ownMs: sum(own) * TICK_MS, ofChildrenMs: sum(ofChildren) * TICK_MS };
}

function busyMs(pid: number): number {
  const { ownMs, ofChildrenMs } = fieldsOf(pid);
  return ownMs + ofChildrenMs;
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return pids.map(Number).filter((pid) => {
    try {
      return fieldsOf(pid).parent === parent;
    } catch {
      return false; // It has ended.
    }
  });
}

function memoryOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mb = (key: string): number => Math.round(Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1024);
  return `${mb("Rss")} MB resident (${mb("Private_Clean") + mb("Private_Dirty")} MB its own)`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
