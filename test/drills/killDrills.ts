// Process faults 1–5, 7 and 8: SIGKILL at a precise step and at random.
import { setTimeout as delay } from "node:timers/promises";
import type { EventType } from "../../src/domain/event.ts";
import { until, within } from "../support/until.ts";
import { type Drill, type Injection, SHARED_CERTIFICATES } from "./drill.ts";
import { STEPS } from "./ledger.ts";
import { disturbed, issuerPid, percentile, pidOf, takeovers } from "./timeline.ts";
import type { World } from "./world.ts";

/**
 * Each kill may hit a worker of every certificate. After a third death in a row work is suspect and waits up to 90 s.
 */
const AT_ONCE_MAX = 2;
/** Workers that may be starting at the same time. */
const DOWN_AT_ONCE_MAX = 3;
const TAKEOVER_MAX_MS = 15_000;
/** The second may come after the first one's work was taken over. */
const STRIKES_MAX_MS = 90_000;

/**
 * Renews one certificate per strike and gives each certificate's strike its chance; `strike` returns the instant of the
 * kill.
 */
async function strikeAll<T>(
  world: World,
  strikes: readonly T[],
  strike: (what: T, certificate: string, afterSeq: number) => Promise<number>,
): Promise<Injection[]> {
  const injections: Injection[] = [];
  for (let from = 0; from < strikes.length; from += AT_ONCE_MAX) {
    const group = strikes.slice(from, from + AT_ONCE_MAX);
    const certificates = world.sites.slice(0, group.length).map(({ certificate }) => certificate);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    const missing = new Set(group);
    const struck = group.map(async (what, index) => {
      const at = await strike(what, certificates[index] ?? "", afterSeq);
      missing.delete(what);
      return at;
    });
    const hits = Promise.all(struck);
    hits.catch(() => undefined);
    await world.force(certificates);
    const instants = await within("every strike to hit", hits, STRIKES_MAX_MS).catch(async (error: unknown) => {
      const told = await story(world, certificates, afterSeq);
      throw new Error(`${String(error)}\nnot hit: ${JSON.stringify([...missing])}\n${told}`, { cause: error });
    });
    const verified = await world.converged(new Map(certificates.map((name) => [name, (before.get(name) ?? 0) + 1])));
    for (const [index, at] of instants.entries())
      injections.push({ at, convergedAt: verified.get(certificates[index] ?? "") ?? 0 });
    await world.fleet.allReady();
  }
  return injections;
}

/** What the history says of these certificates since, a line an event. */
async function story({ system }: World, certificates: readonly string[], afterSeq: number): Promise<string> {
  const events = await system.store.events.list({ afterSeq, limit: 1_000 });
  return events
    .filter(({ certificate }) => certificate !== null && certificates.includes(certificate))
    .map(({ at, type, certificate, worker, detail }) =>
      [new Date(at).toISOString(), certificate, type, worker, JSON.stringify(detail).slice(0, 200)].join(" "),
    )
    .join("\n");
}

const killAtCa: Drill = {
  name: "kill-at-ca",
  faults: "2–5",
  title: "ACME worker killed before the CA is asked and after it answered: newOrder, challenge, finalize, download",
  quick: true,
  async run(world, { quick }) {
    const points = STEPS.flatMap((step) => (["before", "after"] as const).map((moment) => ({ step, moment })));
    const chosen = quick ? points.filter(({ moment }) => moment === "after") : points;
    const injections = await strikeAll(
      world,
      chosen,
      ({ step, moment }, certificate) =>
        new Promise((resolve, reject) => {
          if (step === "challenge" && moment === "after") holdUntilAnswered(world, certificate);
          const act = async (): Promise<"reset"> => {
            await issuerPid(world, certificate)
              .then((pid) => world.fleet.kill(pid))
              .then(resolve, reject);
            return "reset";
          };
          world.ledger.arm({ certificate, step, moment, act });
        }),
    );
    return { injections, notes: await takeoverNotes(world, injections) };
  },
};

/**
 * The CA is not told to validate before a second worker can answer it: the strike before may have killed that one, and
 * a challenge that nobody answers ends its order, rightly.
 */
function holdUntilAnswered(world: World, certificate: string): void {
  const act = async (): Promise<"goOn"> => {
    await secondResponder(world, await issuerPid(world, certificate));
    return "goOn";
  };
  world.ledger.arm({ certificate, step: "challenge", moment: "before", act });
}

/** Resolves when an ACME worker other than `pid` is up. */
async function secondResponder({ fleet }: World, pid: number): Promise<void> {
  const isUp = async (): Promise<true | null> =>
    fleet.slots("acme").some(({ ready, process }) => ready && process.pid !== pid) ? true : null;
  await until("a second ACME worker to be up", isUp);
}

const EVENTS: readonly EventType[] = [
  "renewal.planned",
  "order.created",
  "challenge.presented",
  "order.finalized",
  "version.issued",
  "deploy.started",
  "deploy.succeeded",
  "verify.started",
];

const killAtEvent: Drill = {
  name: "kill-at-event",
  faults: "1–5, 7",
  title: `whoever wrote an event is killed when it appears: ${EVENTS.join(", ")}`,
  quick: false,
  async run(world) {
    const injections = await strikeAll(world, EVENTS, async (type, certificate, afterSeq) => {
      const event = await world.event(type, certificate, afterSeq);
      if (type === "challenge.presented") await secondResponder(world, pidOf(event));
      return world.fleet.kill(pidOf(event));
    });
    return { injections, notes: await takeoverNotes(world, injections) };
  },
};

async function takeoverNotes(world: World, injections: readonly Injection[]): Promise<string[]> {
  const since = Math.min(...injections.map(({ at }) => at)) - 60_000;
  const waits = await takeovers(world, since);
  const [p50, p95] = [percentile(waits, 0.5), percentile(waits, 0.95)];
  return p50 === null || p95 === null
    ? []
    : [`work of killed processes taken over: ${waits.length} times, p50 ${seconds(p50)}, p95 ${seconds(p95)}`];
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

const kills: Drill = {
  name: "kills",
  faults: "8",
  title: "random workers killed at random instants while renewals are forced through the queue",
  quick: true,
  world: ({ certificates }) => (certificates === SHARED_CERTIFICATES ? null : { certificates }),
  async run(world, { kills: count }, random) {
    const { fleet, system } = world;
    const startedAt = Date.now();
    const names = world.sites.map(({ certificate }) => certificate);
    const first = fleet.kills.length;
    while (fleet.kills.length - first < count) {
      await keepRenewing(world, names);
      await delay(50 + random.below(700));
      // On a busy machine starting takes longer than dying: a fleet that is never up would show nothing.
      const victims = await until("most of the fleet to be up", async () => {
        const ready = fleet.slots().filter((slot) => slot.ready);
        return ready.length > fleet.slots().length - DOWN_AT_ONCE_MAX ? ready : null;
      });
      const victim = victims[random.below(victims.length)];
      if (victim !== undefined) await fleet.kill(victim.process.pid);
    }
    await fleet.allReady();
    const quarantined = await resumeQuarantined(world);
    await world.converged(new Map(names.map((name) => [name, 1])), 300_000);
    const instants = fleet.kills.slice(first).map(({ at }) => at);
    const injections = await disturbed(world, instants, startedAt - 1);
    const waits = await takeovers(world, startedAt);
    const p95 = percentile(waits, 0.95);
    const renewals = await system.store.renewals.list({ since: startedAt, states: ["succeeded"], limit: 100_000 });
    return {
      injections,
      abandonedOrders: quarantined,
      notes: [
        `${instants.length} kills over ${names.length} certificates, ${renewals.length} renewals succeeded meanwhile, ${quarantined} quarantined as crash loops and resumed`,
        ...(await takeoverNotes(world, injections)),
      ],
      problems:
        p95 !== null && p95 > TAKEOVER_MAX_MS
          ? [`p95 of takeovers is ${seconds(p95)}, more than ${seconds(TAKEOVER_MAX_MS)}`]
          : [],
    };
  },
};

/** A good part of the fleet is always being renewed. */
async function keepRenewing({ system, random, ask }: World, names: readonly string[]): Promise<void> {
  const wanted = Math.max(3, Math.ceil(names.length / 4));
  const active = await system.store.renewals.list({
    states: ["planned", "issuing", "deploying", "verifying"],
    limit: wanted,
  });
  if (active.length >= wanted) return;
  await ask(names[random.below(names.length)] ?? "");
}

/** What an operator would do on being paged. Returns how many there were. */
async function resumeQuarantined({ system, converged, resume }: World): Promise<number> {
  await converged(new Map(), 300_000);
  const paused = (await system.store.certificates.list()).filter(({ pausedAt }) => pausedAt !== null);
  for (const { name } of paused) await resume(name);
  return paused.length;
}

export const KILL_DRILLS: readonly Drill[] = [killAtCa, killAtEvent, kills];
