// Faults 9, 10 and 11: stopped and continued, dying of one certificate again and again, told to end without Redis.
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { DEFAULT_SETTINGS } from "../../src/renewal/rules/settings.ts";
import { until } from "../support/until.ts";
import type { Drill } from "./drill.ts";
import { issuerPid, pidOf } from "./timeline.ts";
import type { World } from "./world.ts";

const { leaseMs, crashesMax } = DEFAULT_SETTINGS;
const EXIT_MAX_MS = 10_000;
/** What a worker says when it finds that it was overtaken. */
export const OVERTAKEN = /late write refused|interrupted|lease ran out|another worker has taken over/;

const stopAndContinue: Drill = {
  name: "stop-continue",
  faults: "9",
  title: "an ACME worker at finalize and a deployer after its swap are stopped for two lease times and continued",
  quick: false,
  async run(world) {
    const [issuing = "", deploying = ""] = world.sites.map(({ certificate }) => certificate);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    const stopped: { pid: number; at: number }[] = [];
    const stop = (pid: number): void => {
      world.fleet.byPid(pid)?.process.kill("SIGSTOP");
      stopped.push({ pid, at: Date.now() });
    };
    world.ledger.arm({
      certificate: issuing,
      step: "finalize",
      moment: "before",
      act: async () => {
        stop(await issuerPid(world, issuing));
        return "goOn";
      },
    });
    // Its files are in place, its outcome is not recorded: the parent of the hook is the deployer.
    const flag = `${world.system.home}/stopped`;
    await world.setHook(
      `[ "$RENEWD_CERTIFICATE" = ${deploying} ] && mkdir ${flag} 2>/dev/null && echo $PPID > ${flag}/pid && kill -STOP $PPID`,
    );
    await world.force([issuing, deploying]);
    const deployed = await until(
      "a stopped deployer",
      async () =>
        (
          await world.system.store.events.list({
            certificate: deploying,
            types: ["deploy.started"],
            afterSeq,
            limit: 9,
          })
        ).find(({ target }) => target === "files") ?? null,
    );
    await until("the deployer to be stopped", async () => ((await isStopped(pidOf(deployed))) ? true : null));
    stop(pidOf(deployed));
    const verified = await world.converged(
      new Map([issuing, deploying].map((name) => [name, (before.get(name) ?? 0) + 1])),
      120_000,
    );
    const problems: string[] = [];
    for (const { pid, at } of stopped) {
      await delay(Math.max(0, at + 2 * leaseMs + 1_000 - Date.now()));
      const process = world.fleet.byPid(pid)?.process;
      process?.kill("SIGCONT");
      await until(
        `process ${pid} to find that it was overtaken`,
        async () => (process?.log.some((line) => OVERTAKEN.test(line)) ? true : null),
        30_000,
      ).catch(() =>
        problems.push(
          `process ${pid}, continued after two lease times, did not say that it was overtaken: ${process?.log.slice(-3).join(" | ")}`,
        ),
      );
    }
    await world.setHook("");
    await world.converged(before);
    const injections = stopped.map(({ at }, index) => ({
      at,
      convergedAt: verified.get(index === 0 ? issuing : deploying) ?? 0,
    }));
    return { injections, problems };
  },
};

async function isStopped(pid: number): Promise<boolean> {
  return /^State:\s+T/m.test(await readFile(`/proc/${pid}/status`, "utf8").catch(() => ""));
}

const crashLoop: Drill = {
  name: "crash-loop",
  faults: "10",
  title: "deploying one certificate kills its worker every time: quarantined, the others go on",
  quick: false,
  async run(world) {
    const [poison = "", ...others] = world.sites.map(({ certificate }) => certificate);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    await world.setHook(`[ "$RENEWD_CERTIFICATE" = ${poison} ] && kill -9 $PPID`);
    await world.force([poison]);
    const at = Date.now();
    const started = await world.event("deploy.started", poison, afterSeq);
    await world.force(others.slice(0, 2));
    const failed = await until(
      "the crash loop to be quarantined",
      async () =>
        (
          await world.system.store.events.list({ certificate: poison, types: ["renewal.failed"], afterSeq, limit: 1 })
        )[0] ?? null,
      // From the third death on it waits for up to a minute and a half.
      crashesMax * leaseMs * 8,
    );
    const claims = (
      await world.system.store.events.list({ certificate: poison, types: ["deploy.started"], afterSeq, limit: 100 })
    ).filter(({ target }) => target === "files").length;
    const record = await world.system.store.certificates.get(poison);
    await world.converged(new Map(others.slice(0, 2).map((name) => [name, (before.get(name) ?? 0) + 1])));
    const othersDone = Date.now();
    const problems = [
      ...(failed.detail.code === "internal.crashLoop" ? [] : [`it failed as ${failed.detail.code}`]),
      ...(record?.pausedAt == null ? ["it was not quarantined"] : []),
      ...(claims === crashesMax ? [] : [`${claims} claims before quarantine, expected ${crashesMax}`]),
    ];
    await world.setHook("");
    await world.resume(poison);
    const done = await world.converged(new Map([[poison, (before.get(poison) ?? 0) + 1]]));
    return {
      injections: [{ at, convergedAt: done.get(poison) ?? 0 }],
      notes: [
        `quarantined ${Math.round((failed.at - started.at) / 1000)} s after the first of ${claims} deaths; two others renewed within ${Math.round((othersDone - at) / 1000)} s; healed when resumed`,
      ],
      problems,
    };
  },
};

const terminateWithoutRedis: Drill = {
  name: "sigterm",
  faults: "11",
  title: "SIGTERM to every worker while Redis is down and work is under way",
  quick: false,
  async run(world) {
    const certificates = world.sites.slice(0, 2).map(({ certificate }) => certificate);
    const before = await world.generations();
    await world.force(certificates);
    await world.system.redis.stop();
    const at = Date.now();
    const slots = world.fleet.slots();
    const ends = await Promise.all(slots.map(({ name }) => timedRest(world, name)));
    await world.system.redis.restart();
    for (const { name } of slots) world.fleet.start(name);
    await world.fleet.allReady();
    const done = await world.converged(new Map(certificates.map((name) => [name, (before.get(name) ?? 0) + 1])));
    const slowest = Math.max(...ends.map(({ ms }) => ms));
    return {
      injections: certificates.map((name) => ({ at, convergedAt: done.get(name) ?? 0 })),
      notes: [`${slots.length} workers ended within ${(slowest / 1000).toFixed(1)} s`],
      problems: ends.flatMap(({ name, code, ms }) => [
        ...(code === 0 ? [] : [`${name} ended with exit code ${code}`]),
        ...(ms <= EXIT_MAX_MS + 500 ? [] : [`${name} took ${Math.round(ms)} ms to end`]),
      ]),
    };
  },
};

async function timedRest({ fleet }: World, name: string): Promise<{ name: string; code: number | null; ms: number }> {
  const startedAt = performance.now();
  const code = await fleet.rest(name);
  return { name, code, ms: performance.now() - startedAt };
}

export const WORKER_DRILLS: readonly Drill[] = [stopAndContinue, crashLoop, terminateWithoutRedis];
