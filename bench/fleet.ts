/**
 * A fleet of a hundred thousand certificates: what loading its definitions costs, and what its lists cost. Half of a
 * second fleet's definitions are in the database.
 *
 *   node bench/fleet.ts [--certificates N] [--files N] [--data DIRECTORY] [--only load|lists]
 *
 * `--data`: installation and database stay there for the next run. Everything runs in processes of its own; printed is the
 * processor time (user and system), which says the same on a busy machine, the time on the clock, and the most memory that
 * was resident (VmHWM of /proc). Exit code 1 where a figure is above the issue's.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { checkFleet } from "../src/compose/checkFleet.ts";
import { systemClock } from "../src/compose/clock.ts";
import { packageVersion } from "../src/compose/packageVersion.ts";
import { loadConfigOrExplain, openReader } from "../src/compose/reader.ts";
import { unlimited } from "../src/domain/budget.ts";
import { applyFile } from "../test/support/system/appliedConfiguration.ts";
import { seedFleet } from "../test/support/system/seedFleet.ts";
import { BUILT, ROOT, STARTED_WITH } from "./installation.ts";

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    certificates: { type: "string", default: "100000" },
    files: { type: "string", default: "100" },
    data: { type: "string" },
    only: { type: "string", default: "" },
  },
});
const CERTIFICATES = Number(options.certificates);
const FILES = Number(options.files);
const LOAD_MAX = { cpuS: 5, rssMb: 400 };
const LIST_MAX = { cpuS: 1 };
const KINDS = ["limited", "targetDown", "paused", "inFlight", "held", "expired", "notServed", "retrying"] as const;

const directory = options.data ?? (await mkdtemp(join(tmpdir(), "renewd-fleet-")));
const failed: string[] = [];
try {
  await run();
} finally {
  if (options.data === undefined) await rm(directory, { recursive: true, force: true });
}
console.log(failed.length === 0 ? "every figure within its limit" : `NOT within the limit: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function run(): Promise<void> {
  const inFiles = join(directory, "files", "renewd.yaml");
  const inDatabase = join(directory, "database", "renewd.yaml");
  if (!existsSync(inFiles)) await write(inFiles, inDatabase);
  if (options.only !== "lists")
    for (const [where, file] of [
      [`${FILES} files`, inFiles],
      ["the database", inDatabase],
    ] as const) {
      report(`load of ${CERTIFICATES} from ${where}, sources`, await loading(file), LOAD_MAX);
      // The file alone, where that is all; else with what start-up would meet, which ends by 1: there are no targets here.
      const words = ["config", "check", ...(file === inFiles ? ["--offline"] : []), "-c", file];
      report(`config check from ${where}, built`, await measured(...built(...words)), LOAD_MAX);
    }
  if (options.only === "load") return;
  await check(inFiles);
  for (const words of [
    ["status"],
    ["plan"],
    ["certificates"],
    ["certificates", "--label", "tier=none"],
    ["history"],
    ["certificates", `c${CERTIFICATES - 1}`],
    ["history", `c${CERTIFICATES - 1}`],
  ]) {
    const asked = [...words, "-c", inFiles, "--json"];
    report(`${words.join(" ")}, sources`, await measured("bin/renewd", asked), LIST_MAX);
    report(`${words.join(" ")}, built`, await measured(...built(...asked)), LIST_MAX);
  }
}

/** What people install: `npm run build` makes it. */
function built(...words: string[]): [command: string, args: string[]] {
  return [process.execPath, [join(ROOT, BUILT), ...words]];
}

/** As the planner does within the hour: `status` reads then what has changed since. */
async function check(file: string): Promise<void> {
  const begun = performance.now();
  await using reader = await openReader(file);
  const fleet = { store: reader.store, clock: systemClock, clockGuard: { check: async () => {} }, budget: unlimited };
  const parts = await checkFleet({ ...fleet, release: packageVersion, share: 1 }, new AbortController().signal);
  console.log(`${parts} parts checked in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
}

function report(what: string, { cpuS, wallS, rssMb }: Figures, max: Partial<Figures>): void {
  const isWithin = cpuS <= (max.cpuS ?? Number.POSITIVE_INFINITY) && rssMb <= (max.rssMb ?? Number.POSITIVE_INFINITY);
  if (!isWithin) failed.push(what);
  const limits = [max.cpuS && `${max.cpuS} s`, max.rssMb && `${max.rssMb} MB`].filter(Boolean).join(", ");
  console.log(
    `${what.padEnd(40)} cpu ${cpuS.toFixed(2)} s  clock ${wallS.toFixed(2)} s  ${Math.round(rssMb)} MB  (limit ${limits})`,
  );
}

interface Figures {
  readonly cpuS: number;
  readonly wallS: number;
  readonly rssMb: number;
}

function loading(file: string): Promise<Figures> {
  const source = `
    const { loadConfigOrExplain } = await import(${JSON.stringify(join(import.meta.dirname, "../src/compose/reader.ts"))});
    const { nothingKnown } = await import(${JSON.stringify(join(import.meta.dirname, "../src/config/read/known.ts"))});
    const known = nothingKnown();
    const config = await loadConfigOrExplain(${JSON.stringify(file)}, { known });
    if (config.certificates.length !== ${CERTIFICATES}) throw new Error(String(config.certificates.length));
  `;
  const flags = STARTED_WITH.NODE_OPTIONS.split(" ");
  return measured(process.execPath, [...flags, "--input-type=module", "-e", source]);
}

/** Of this process's ended children, in seconds: proc_pid_stat(5), fields 16 and 17. */
function childrenCpuS(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

async function measured(command: string, args: readonly string[]): Promise<Figures> {
  const before = childrenCpuS();
  const begun = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (data) => {
    errors += data;
  });
  let peakKb = 0;
  const sampling = setInterval(() => {
    try {
      const found = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
      peakKb = Math.max(peakKb, Number(found?.[1] ?? 0));
    } catch {
      // It has ended.
    }
  }, 10);
  const code = await new Promise((resolve) => child.on("close", resolve));
  clearInterval(sampling);
  // By 1 `status` says that somebody is needed.
  const mayBeWrong = args.includes("status") || args.includes("check");
  if (code !== 0 && !(code === 1 && mayBeWrong)) throw new Error(`${command} ${args.join(" ")}: ${code} ${errors}`);
  return { cpuS: childrenCpuS() - before, wallS: (performance.now() - begun) / 1000, rssMb: peakKb / 1024 };
}

function sections(more: object): string {
  return JSON.stringify({
    version: 1,
    dataDir: "data",
    issuers: { ca: { directory: "https://ca.example/directory", termsOfServiceAgreed: true } },
    solvers: { http: { type: "http-01" } },
    targets: {
      lb: { type: "haproxy", socket: "/run/haproxy/admin.sock", file: "/etc/haproxy/certs/{certificate}.pem" },
      edge: { type: "files", directory: "/srv/tls", fullchain: "{certificate}.crt", privkey: "{certificate}.key" },
    },
    defaults: { issuer: "ca", solver: "http", targets: ["lb", "edge"] },
    ...more,
  });
}

async function write(inFiles: string, inDatabase: string): Promise<void> {
  const at = performance.now();
  const perFile = Math.ceil(CERTIFICATES / FILES);
  await mkdir(join(directory, "files", "certs.d"), { recursive: true });
  await mkdir(join(directory, "database"), { recursive: true });
  for (let file = 0; file < FILES; file++) {
    const lines = Array.from({ length: Math.min(perFile, CERTIFICATES - file * perFile) }, (_, index) => {
      const name = `c${file * perFile + index}`;
      return `  ${name}:\n    names: [${name}.test, www.${name}.test]\n    endpoints:\n      - ${name}.test:443\n`;
    });
    const path = join(directory, "files", "certs.d", `${String(file).padStart(4, "0")}.yaml`);
    await writeFile(path, `certificates:\n${lines.join("")}`);
  }
  await writeFile(inFiles, sections({ include: ["certs.d/*.yaml"] }));
  await writeFile(inDatabase, sections({}));
  const config = await loadConfigOrExplain(inFiles);
  {
    await using reader = await openReader(inDatabase);
    const writes = config.certificates.map(({ name }) => ({
      name,
      definition: { names: [`${name}.test`, `www.${name}.test`], endpoints: [`${name}.test:443`] },
    }));
    await reader.store.definitions.write(writes, { seen: 0, at: Date.now(), by: "bench" });
  }
  await using reader = await openReader(inFiles);
  const { store } = reader;
  await applyFile({ configFile: inFiles, store });
  await seedFleet(store, config.certificates, {
    now: Date.now(),
    past: 1,
    kindOf: (index) => KINDS[index % 1000] ?? "healthy",
  });
  console.log(`${CERTIFICATES} certificates written in ${((performance.now() - at) / 1_000).toFixed(1)} s`);
}
