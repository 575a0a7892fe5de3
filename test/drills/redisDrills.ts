// Faults 12–17: Redis loses everything, goes away, is full, evicts, lies, or cannot be reached by one worker.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Job } from "../../src/domain/queue.ts";
import { isActive } from "../../src/domain/renewal.ts";
import { startRenewd } from "../support/system/renewd.ts";
import { until } from "../support/until.ts";
import type { Drill, Injection } from "./drill.ts";
import { startTcpProxy } from "./tcpProxy.ts";
import { disturbed, percentile } from "./timeline.ts";
import { oneMore, type World } from "./world.ts";

const FLUSHES = 20;
const OUTAGE_MS = 20_000;
const FIRST_JOB_MAX_MS = 5_000;
const CONVERGE_P95_MAX_MS = 60_000;
const REFUSE_MAX_MS = 3_000;

function namesOf({ sites }: World, count: number): string[] {
  return sites.slice(0, count).map(({ certificate }) => certificate);
}

const flush: Drill = {
  name: "flushall",
  faults: "12, 16",
  title: "FLUSHALL again and again while renewals are under way",
  quick: true,
  async run(world, { quick }, random) {
    const startedAt = Date.now();
    const instants: number[] = [];
    const names = namesOf(world, 6);
    for (let round = 0; round < (quick ? 3 : FLUSHES); round++) {
      const idle: string[] = [];
      for (const name of names) if ((await world.system.store.renewals.active(name)) === null) idle.push(name);
      if (idle.length > 0) await world.force([idle[random.below(idle.length)] ?? ""], "database");
      await delay(random.below(1_500));
      await world.system.redis.flushall();
      instants.push(Date.now());
    }
    await world.converged(await world.generations(), 180_000);
    const injections = await disturbed(world, instants, startedAt);
    const p95 = percentile(
      injections.map(({ at, convergedAt }) => convergedAt - at),
      0.95,
    );
    return {
      injections,
      notes: [`${instants.length} FLUSHALLs, ${injections.length} of them met renewals under way`],
      problems: p95 !== null && p95 > CONVERGE_P95_MAX_MS ? [`p95 to converge is ${Math.round(p95 / 1000)} s`] : [],
    };
  },
};

const outage: Drill = {
  name: "outage",
  faults: "13",
  title: "SHUTDOWN NOSAVE in the middle of renewals, 20 s without Redis, with its data kept and lost",
  quick: false,
  async run(world) {
    const injections: Injection[] = [];
    const [notes, problems]: [string[], string[]] = [[], []];
    const { redis, store } = world.system;
    for (const kept of [true, false]) {
      const [first = "", second = "", third = ""] = namesOf(world, 3);
      const before = await world.generations();
      await world.force([first, second]);
      await redis.stop();
      const at = Date.now();
      if (!kept) await rm(join(redis.directory, "appendonlydir"), { recursive: true, force: true });
      // Asked for while there is no queue: recorded all the same.
      await world.force([third], "database");
      await delay(at + OUTAGE_MS - Date.now());
      const afterSeq = await world.lastSeq();
      await redis.restart();
      const back = Date.now();
      const started = await until(
        "a job after the outage",
        async () =>
          (
            await store.events.list({
              types: ["issue.started", "deploy.started", "verify.started"],
              afterSeq,
              limit: 1,
            })
          )[0] ?? null,
      );
      const firstJobMs = started.at - back;
      notes.push(
        `append-only file ${kept ? "kept" : "lost"}: first job ${(firstJobMs / 1000).toFixed(1)} s after Redis was back`,
      );
      if (firstJobMs > FIRST_JOB_MAX_MS) problems.push(`first job ${firstJobMs} ms after the return of Redis`);
      const done = await world.converged(oneMore(before, [first, second, third]));
      injections.push({ at: back, convergedAt: Math.max(...done.values()) });
    }
    return { injections, notes, problems };
  },
};

const memory: Drill = {
  name: "redis-memory",
  faults: "14",
  title: "Redis is full: what needs only the database goes on; a Redis that evicts is refused at start",
  quick: true,
  async run(world) {
    const { redis, store } = world.system;
    const [name = ""] = namesOf(world, 1);
    const before = await world.generations();
    await redis.command("CONFIG", "SET", "maxmemory", "1mb");
    const at = Date.now();
    const refusedAt = performance.now();
    const refusal = await world.ask(name).then(
      () => "accepted",
      (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
    );
    const refusedMs = performance.now() - refusedAt;
    const afterSeq = await world.lastSeq();
    await world.force([name], "database");
    const written = await store.events.list({ certificate: name, types: ["renewal.planned"], afterSeq, limit: 1 });
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    const done = await world.converged(oneMore(before, [name]));

    await redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    const planner = startRenewd(["--config", world.system.configFile, "--yes"], {}, "workers/planner.ts");
    const code = await planner.exited;
    await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
    const said = planner.log.join(" ");
    return {
      injections: [{ at, convergedAt: done.get(name) ?? 0 }],
      notes: [
        `a producer was told ${refusal} after ${Math.round(refusedMs)} ms; an evicting Redis: exit code ${code}, ${planner.log[0] ?? ""}`,
      ],
      problems: [
        ...(refusal === "queue.unavailable" && refusedMs <= REFUSE_MAX_MS
          ? []
          : [`a producer was told ${refusal} after ${Math.round(refusedMs)} ms`]),
        ...(written.length === 1 ? [] : ["history was not written while Redis was full"]),
        ...(code === 2 && said.includes("queue.misconfigured") && said.includes("noeviction")
          ? []
          : [`an evicting Redis was not refused: exit code ${code}: ${said}`]),
      ],
    };
  },
};

const ghosts: Drill = {
  name: "ghosts",
  faults: "17",
  title: "jobs of unknown and ended renewals, and many copies of live ones, are added to the queues by hand",
  quick: true,
  async run(world, _settings, random) {
    const [name = "", idle = ""] = namesOf(world, 2);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    const ended = await world.system.store.renewals.list({ certificate: idle, limit: 1 });
    await world.force([name]);
    const at = Date.now();
    const live = await world.system.store.renewals.active(name);
    const ids = ["no-such-renewal", ...ended.map(({ id }) => id), ...(live === null ? [] : [live.id])];
    let added = 0;
    while ((await stillActive(world, name)) && added < 600) {
      const jobs = ids.flatMap((renewalId) => copies(renewalId, random.below(1_000_000)));
      await world.app.context.queue.enqueue(jobs);
      added += jobs.length;
      await delay(50);
    }
    const done = await world.converged(oneMore(before, [name]));
    const events = await world.system.store.events.list({
      afterSeq,
      types: ["deploy.succeeded", "version.issued", "order.created"],
      limit: 1_000,
    });
    const wanted = { "version.issued": 1, "order.created": 1, "deploy.succeeded": 2 } as const;
    const problems = Object.entries(wanted).flatMap(([type, count]) => {
      const found = events.filter((event) => event.type === type);
      return found.length === count ? [] : [`${found.length} ${type} events, expected ${count}`];
    });
    return { injections: [{ at, convergedAt: done.get(name) ?? 0 }], notes: [`${added} ghosts`], problems };
  },
};

function copies(renewalId: string, fence: number): Job[] {
  const base = { renewalId, generation: 1, fence, priority: 1 };
  return [
    { kind: "issue", ...base },
    { kind: "deploy", target: "lb", agent: false, ...base },
    { kind: "deploy", target: "nowhere", agent: false, ...base },
    { kind: "verify", vantage: null, ...base },
  ];
}

async function stillActive({ system }: World, certificate: string): Promise<boolean> {
  const [latest] = await system.store.renewals.list({ certificate, limit: 1 });
  return latest !== undefined && isActive(latest.state);
}

const blackHole: Drill = {
  name: "black-hole",
  faults: "15",
  title: "one ACME worker is cut off from Redis, without a word, in the middle of an order",
  quick: false,
  async run(world) {
    const [name = ""] = namesOf(world, 1);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    const { port } = world.system.redis;
    await using proxy = await startTcpProxy(port ?? 0);
    // The other rests, so that this one gets the job; it is back before the black hole opens.
    await world.fleet.rest("acme-1");
    await world.fleet.rest("acme-2");
    const config = await world.configFile("acme-2-behind", {
      redis: { url: `redis://127.0.0.1:${proxy.port}` },
      http01: world.responder("acme-2"),
    });
    const cutOff = world.fleet.start("acme-2", { configFile: config });
    await world.fleet.allReady();
    let at = 0;
    world.ledger.arm({
      certificate: name,
      step: "finalize",
      moment: "before",
      act: async () => {
        proxy.freeze();
        at = Date.now();
        world.fleet.start("acme-1");
        // The queue's lock runs out meanwhile.
        await until("another worker to be handed the same job", async () => {
          const told = await world.system.redis.command("XRANGE", "{renewd}:issue:events", String(at), "+");
          return /^active$/m.test(told) ? told : null;
        });
        return "goOn";
      },
    });
    await world.force([name]);
    const done = await world.converged(oneMore(before, [name]));
    proxy.thaw();
    const issued = await world.system.store.events.list({
      certificate: name,
      types: ["version.issued", "order.created"],
      afterSeq,
      limit: 100,
    });
    const problems =
      issued.length === 2 ? [] : [`${issued.map(({ type }) => type).join(", ")}: expected one order and one version`];
    // As before: a worker with a connection of its own.
    await world.fleet.rest("acme-2");
    world.fleet.start("acme-2");
    await world.fleet.allReady();
    return {
      injections: [{ at, convergedAt: done.get(name) ?? 0 }],
      notes: [`issued by ${issued.at(-1)?.worker}, the worker cut off was ${cutOff.process.pid}`],
      problems,
    };
  },
};

export const REDIS_DRILLS: readonly Drill[] = [flush, outage, memory, ghosts, blackHole];
