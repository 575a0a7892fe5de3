// Readers beside renewals: two hundred requests a second must delay no certificate of a mass replacement.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ACTIVE_STATES } from "../../src/domain/renewal.ts";
import { nameOf, startEdge } from "../support/servers/edge.ts";
import { renewd, startRenewd } from "../support/system/renewd.ts";
import { type System, startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";
import type { Drill, Injection } from "./drill.ts";
import { percentile } from "./timeline.ts";

const REQUESTS_PER_S = 200;
const LOADED_MS = 60_000;
const QUICK_LOADED_MS = 15_000;
const ROUND_MAX_MS = 300_000;
/** Of the time from the replacement to the proof. What the machine does besides differs as much from round to round. */
const SLOWER_MAX = 1.25;
const CHILD = fileURLToPath(new URL("readers.child.ts", import.meta.url));

const found = z.object({
  asked: z.number(),
  answers: z.record(z.string(), z.number()),
  withoutRetryAfter: z.number(),
  seconds: z.number(),
  p50Ms: z.number(),
  p95Ms: z.number(),
});

/** Every certificate is replaced, again and again for `forMs`; how long each took from the replacement to its proof. */
async function replaceFor(system: System, forMs: number): Promise<Injection[]> {
  const proofs: Injection[] = [];
  for (const end = Date.now() + forMs; Date.now() < end; ) proofs.push(...(await replaceAll(system)));
  return proofs;
}

async function replaceAll({ configFile, app, store }: System): Promise<Injection[]> {
  const begun = Date.now();
  const asked = ["replace", "start", "--issuer", "ca", "--deadline", "24h", "--reason", "drill"];
  const { code, stderr } = await renewd(["--config", configFile, ...asked]);
  if (code !== 0) throw new Error(`the replacement was not recorded: ${stderr}`);
  const [replacement] = await store.replacements.list();
  const at = replacement?.createdAt ?? begun;
  const renewals = await until(
    "every certificate to be replaced",
    async () => {
      const all = await store.renewals.list({ since: at, limit: 1_000 });
      const isDone = all.every(({ state }) => !ACTIVE_STATES.some((active) => active === state));
      return isDone && all.length >= app.config.certificates.length ? all : null;
    },
    ROUND_MAX_MS,
  );
  const failed = renewals.filter(({ state }) => state !== "succeeded");
  if (failed.length > 0) throw new Error(`${failed.length} renewals failed: ${failed[0]?.errorMessage}`);
  return renewals.map(({ finishedAt }) => ({ at, convergedAt: finishedAt ?? at }));
}

async function withReaders<T>(url: string, token: string, work: () => Promise<T>) {
  const child = spawn(process.execPath, [CHILD, url, token, String(REQUESTS_PER_S)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += String(chunk);
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    return { result: await work(), met: await say() };
  } finally {
    child.kill("SIGKILL");
  }

  async function say(): Promise<z.output<typeof found>> {
    child.stdin.end();
    await ended;
    return found.parse(JSON.parse(said));
  }
}

const pagesLoad: Drill = {
  name: "pages-load",
  faults: "–",
  title: "200 requests/s for pages, lists and files beside a running mass replacement: no renewal is delayed",
  quick: false,
  async run(_world, { quick, certificates }) {
    await using edge = await startEdge("a");
    const names = Array.from({ length: certificates }, (_, index) => `p-${index + 1}`);
    await using system = await startSystem({
      targets: { a: edge.target },
      certificates: Object.fromEntries(
        names.map((name) => [name, { names: [nameOf(name)], targets: ["a"], endpoints: [edge.endpoint(name)] }]),
      ),
    });
    // Everything in one process, with one thread: nowhere do readers and renewals meet more.
    await using running = startRenewd(["run", "--yes", "--config", system.configFile]);
    const url = /"url":"([^"]+)"/.exec(await running.logged("web interface"))?.[1] ?? "";
    const token = (await readFile(join(system.dataDir, "api.token"), "utf8")).trim();
    for (const name of names) await system.ended(name, ROUND_MAX_MS);
    const forMs = quick ? QUICK_LOADED_MS : LOADED_MS;
    // Before and after, as a machine gets warm or busy meanwhile.
    const before = await replaceFor(system, forMs / 2);
    const { result: loaded, met } = await withReaders(url, token, () => replaceFor(system, forMs));
    const after = await replaceFor(system, forMs / 2);
    const [calmP50, calmP95] = [0.5, 0.95].map((at) => tookMs([...before, ...after], at));
    const [loadedP50 = 0, loadedP95 = 0] = [0.5, 0.95].map((at) => tookMs(loaded, at));
    const problems: string[] = [];
    const others = Object.keys(met.answers).filter((status) => !["200", "503", "closed"].includes(status));
    if (others.length > 0) problems.push(`readers met ${JSON.stringify(met.answers)}`);
    if (met.withoutRetryAfter > 0) problems.push(`${met.withoutRetryAfter} refusals did not say when to come back`);
    if ((met.answers["200"] ?? 0) < met.seconds) problems.push("readers were hardly answered at all");
    if (loadedP50 > SLOWER_MAX * (calmP50 ?? 0)) problems.push("half of the renewals were delayed");
    if (loadedP95 > SLOWER_MAX * (calmP95 ?? 0)) problems.push("the slowest renewals were delayed");
    return {
      injections: loaded,
      problems,
      notes: [
        `from replacement to proof without readers: p50 ${calmP50} ms, p95 ${calmP95} ms (${before.length + after.length})`,
        `beside ${Math.round(met.asked / met.seconds)} requests/s for ${Math.round(met.seconds)} s: ` +
          `p50 ${loadedP50} ms, p95 ${loadedP95} ms (${loaded.length})`,
        `readers: ${JSON.stringify(met.answers)}, answered in p50 ${met.p50Ms} ms, p95 ${met.p95Ms} ms`,
      ],
    };
  },
};

function tookMs(proofs: readonly Injection[], fraction: number): number {
  return Math.round(
    percentile(
      proofs.map(({ at, convergedAt }) => convergedAt - at),
      fraction,
    ) ?? 0,
  );
}

export const LOAD_DRILLS: readonly Drill[] = [pagesLoad];
