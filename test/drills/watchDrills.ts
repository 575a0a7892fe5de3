// Ten thousand watched endpoints, one in ten of them a black hole, at real TLS servers on loopback addresses.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { lookAtWatched, SOCKETS_MAX } from "../../src/renewal/watch/lookAtWatched.ts";
import { createProbe } from "../../src/tls/probe.ts";
import { createServedJudge } from "../../src/tls/scan/servedJudge.ts";
import { rootsOf } from "../../src/x509/trust.ts";
import { createRoot } from "../support/ca/pki.ts";
import { watchDefinition } from "../support/model/watched.ts";
import { NO_SIGNAL, Workbench } from "../support/model/workbench.ts";
import type { Drill, Outcome } from "./drill.ts";

const ENDPOINTS = 10_000;
const QUICK_ENDPOINTS = 1_000;
const BLACK_HOLE_EVERY = 10;
const NAME = "many.example.org";
const WALL_MAX_MS = 60_000;
/** Per second of this process's own processor time. */
const HANDSHAKES_MIN = 500;
/** More than before: rows, results and sockets are bounded; most of it is V8's and OpenSSL's, given back late. */
const MEMORY_MAX_BYTES = 320 * 1024 * 1024;
const HANDSHAKE_MAX_MS = 5_000;
const CHILD = fileURLToPath(new URL("manyServers.child.ts", import.meta.url));

const portsSchema = z.object({ tls: z.number(), silent: z.number() });
const metSchema = z.object({ most: z.number(), handshakes: z.number() });

/** Each endpoint has an address of its own: 127.1.0.0 and on. */
function addressOf(index: number): string {
  return `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

async function watchMany(count: number): Promise<Outcome> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "renewd-watch-many-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const root = await createRoot({ name: "Many Root" });
  const ca = await root.intermediate({ name: "Many CA" });
  const leaf = await ca.issue({ names: [NAME] });
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  await writeFile(cert, leaf.certPem + ca.certPem);
  await writeFile(key, leaf.keyPem);
  const child = spawn(process.execPath, [CHILD, cert, key], { stdio: ["pipe", "pipe", "inherit"] });
  stack.defer(() => void child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ports = portsSchema.parse(JSON.parse((await lines.next()).value ?? "{}"));

  const bench = stack.use(await Workbench.open([]));
  bench.now = Date.now();
  const roots = rootsOf([root.certPem]);
  const probe = createProbe({ timeoutMs: HANDSHAKE_MAX_MS, now: () => bench.now });
  const context = { ...bench.context, probe, judge: createServedJudge(() => roots) };
  const definitions = Array.from({ length: count }, (_, index) => {
    const port = index % BLACK_HOLE_EVERY === 0 ? ports.silent : ports.tls;
    return watchDefinition(`e-${index}`, { host: addressOf(index), port, sni: NAME });
  });
  await bench.store.watched.configure(definitions, bench.now);

  const [memory, cpu, started] = [process.memoryUsage.rss(), process.cpuUsage(), performance.now()];
  const looked = await lookAtWatched(context, NO_SIGNAL);
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const grown = process.memoryUsage.rss() - memory;
  child.stdin.end();
  const met = metSchema.parse(JSON.parse((await lines.next()).value ?? "{}"));

  const holes = Math.ceil(count / BLACK_HOLE_EVERY);
  const states = Map.groupBy(await bench.store.watched.list(), ({ look }) => look?.state ?? "unseen");
  const found = { good: states.get("good")?.length ?? 0, unreachable: states.get("unreachable")?.length ?? 0 };
  const perCpuSecond = (count - holes) / ((user + system) / 1e6);
  const problems = [
    [looked !== count, `looked at ${looked} of ${count}`],
    [found.good !== count - holes || found.unreachable !== holes, `found ${JSON.stringify(found)}`],
    [wallMs > (WALL_MAX_MS * count) / ENDPOINTS + HANDSHAKE_MAX_MS, `took ${Math.round(wallMs)} ms`],
    [perCpuSecond < HANDSHAKES_MIN, `${Math.round(perCpuSecond)} handshakes per second of one core`],
    // A server sees the end of a connection a little after its client.
    [met.most > 2 * SOCKETS_MAX, `${met.most} connections were open at once`],
    [grown > MEMORY_MAX_BYTES, `its memory grew by ${Math.round(grown / 1024 / 1024)} MiB`],
  ] as const;
  return {
    injections: [],
    notes: [
      `${count} endpoints, ${holes} of them silent, in ${(wallMs / 1000).toFixed(1)} s; ` +
        `${Math.round(perCpuSecond)} handshakes judged and recorded per second of one core; ` +
        `at most ${met.most} connections, ${Math.round(grown / 1024 / 1024)} MiB more memory`,
    ],
    problems: problems.flatMap(([isBad, text]) => (isBad ? [text] : [])),
  };
}

export const WATCH_DRILLS: readonly Drill[] = [
  {
    name: "watch-many",
    faults: "49, 50",
    title: `${ENDPOINTS} watched endpoints, one in ten of which never answers, within a minute`,
    quick: false,
    alone: ({ quick }) => watchMany(quick ? QUICK_ENDPOINTS : ENDPOINTS),
  },
];
