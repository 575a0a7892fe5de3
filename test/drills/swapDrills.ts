// Faults 41 and 42, and the promise above all others: nobody notices a renewal.
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../support/until.ts";
import { type Continuity, type Generation, judgeVisits } from "./continuity.ts";
import type { Drill, Injection } from "./drill.ts";
import type { Site } from "./sites.ts";
import { percentile } from "./timeline.ts";
import { type Kept, startVisitors, type Visitors } from "./visitors.ts";
import { oneMore, type World } from "./world.ts";

const SPREAD = ["haproxy", "nginx", "caddy"] as const;
const SWAPS = 100;
const QUICK_SWAPS = 5;
/** Between two swaps, so that they fall on any phase of the visitors and of the workers' polling. */
const PAUSE_MAX_MS = 400;
/** Of each site, after its last swap was verified. */
const LAST_VISITS = 20;
/** Of each kind of problem. */
const SHOWN_MAX = 5;

const swaps: Drill = {
  name: "swaps",
  faults: "41, 42",
  title: `HAProxy, nginx and Caddy swap certificates ${SWAPS} times each under clients that never stop`,
  quick: true,
  privateNetwork: true,
  world: () => ({
    certificates: SPREAD.length,
    spread: SPREAD,
    workers: { planner: 1, acme: 1, deployer: 1, verifier: 1 },
  }),
  async run(world, { quick }, random) {
    await using stack = new AsyncDisposableStack();
    const rootPem = await world.system.pebble.rootPem();
    const watched = world.sites.map((site) => ({ site, visitors: stack.use(startVisitors(site, rootPem)) }));
    const names = world.sites.map(({ certificate }) => certificate);
    const times = new Map(names.map((name) => [name, [] as Injection[]]));
    for (let swap = 0; swap < (quick ? QUICK_SWAPS : SWAPS); swap++) {
      await delay(random.below(PAUSE_MAX_MS));
      const before = await world.generations();
      const at = Date.now();
      await world.force(names);
      const verified = await world.converged(oneMore(before, names));
      for (const [name, convergedAt] of verified) times.get(name)?.push({ at, convergedAt });
    }
    await visitedOnce(watched);
    const judged = await Promise.all(
      watched.map(async ({ site, visitors }) => {
        const generations = await generationsOf(world, site);
        return {
          site,
          swaps: times.get(site.certificate) ?? [],
          ...judgeVisits(visitors.visits, generations),
          kept: visitors.kept(),
        };
      }),
    );
    return {
      injections: judged.flatMap((each) => each.swaps),
      notes: judged.map(told),
      problems: judged.flatMap(problemsOf),
    };
  },
};

/** So that the last swap is judged by as many connections as the others. */
async function visitedOnce(watched: readonly { readonly visitors: Visitors }[]): Promise<void> {
  const counts = watched.map(({ visitors }) => visitors.visits.length + LAST_VISITS);
  await until("visits after the last swap", async () =>
    watched.every(({ visitors }, index) => visitors.visits.length >= (counts[index] ?? 0)) ? true : null,
  );
}

/**
 * The instant written into `verify.converged` is from before its commit: what is judged is a little more than was
 * promised.
 */
async function generationsOf({ system: { store } }: World, { certificate }: Site): Promise<Generation[]> {
  const events = await store.events.list({ certificate, types: ["verify.converged"], limit: 10_000 });
  const verifiedAt = new Map(events.map(({ detail, at }) => [detail.generation, at]));
  const versions = await store.versions.list(certificate);
  return versions
    .map(({ generation, leaf }) => ({
      generation,
      fingerprint: leaf.fingerprint,
      verifiedAt: verifiedAt.get(generation) ?? null,
    }))
    .toSorted((a, b) => a.generation - b.generation);
}

interface Judged extends Continuity {
  readonly site: Site;
  readonly swaps: readonly Injection[];
  readonly kept: Kept;
}

function told({ site, swaps, handshakes, failed, stale, unanswered, marginMs, kept }: Judged): string {
  const times = swaps.map(({ at, convergedAt }) => convergedAt - at);
  return [
    `${site.server}: ${swaps.length} swaps, ${handshakes} handshakes, ${failed.length} failed, ${stale.length} stale after verified`,
    `forced to verified p50 ${seconds(percentile(times, 0.5))}, p95 ${seconds(percentile(times, 0.95))}`,
    `the old pair was last seen ${marginMs === null ? "never" : `${marginMs} ms or longer before verified`}`,
    `${unanswered} first requests unanswered`,
    `the kept connection: ${kept.requests} requests, ${kept.unanswered} unanswered, opened ${kept.connections} times`,
  ].join("; ");
}

function problemsOf({ site: { server }, failed, stale, unseen }: Judged): string[] {
  const at = (openedAt: number): string => `${server} at ${new Date(openedAt).toISOString()}`;
  return [
    ...(failed.length > 0 ? [`${server}: ${failed.length} handshakes failed`] : []),
    ...(stale.length > 0
      ? [`${server}: ${stale.length} connections saw an old certificate after the new one was verified`]
      : []),
    ...(unseen.length > 0 ? [`${server}: nobody saw generation ${unseen.join(", ")} once it was verified`] : []),
    ...failed.slice(0, SHOWN_MAX).map(({ openedAt, problem }) => `${at(openedAt)}: ${problem}`),
    ...stale
      .slice(0, SHOWN_MAX)
      .map(
        ({ openedAt, saw, verified, lateMs }) =>
          `${at(openedAt)}: served generation ${saw}, ${lateMs} ms after ${verified} was verified`,
      ),
  ];
}

function seconds(ms: number | null): string {
  return ms === null ? "-" : `${(ms / 1000).toFixed(1)} s`;
}

export const SWAP_DRILLS: readonly Drill[] = [swaps];
