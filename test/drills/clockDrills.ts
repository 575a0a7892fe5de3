// Fault 37: some of the machines are 40 days ahead.
import { setTimeout as delay } from "node:timers/promises";
import { shifted } from "../support/system/faketime.ts";
import type { Drill } from "./drill.ts";
import { oneMore } from "./world.ts";

const SKEWED = ["planner-2", "acme-2"] as const;
const SKEWED_MS = 20_000;
const TOLERATED_MS = 300_000;

const clock: Drill = {
  name: "clock",
  faults: "37",
  title: "a planner and an ACME worker are 40 days ahead while a renewal is asked for; then their clocks are set",
  quick: false,
  async run(world) {
    const [asked = "", later = ""] = world.sites.map(({ certificate }) => certificate);
    const before = await world.generations();
    const afterSeq = await world.lastSeq();
    for (const name of SKEWED) await world.fleet.rest(name);
    const at = Date.now();
    for (const name of SKEWED) world.fleet.start(name, { env: shifted("+40d") });
    await world.fleet.allReady();
    // Not through the queue: a request that a planner with a wrong clock takes is refused, and whoever asked is told.
    await world.force([asked], "database");
    const [done] = await Promise.all([world.converged(oneMore(before, [asked])), delay(SKEWED_MS)]);
    const events = await world.system.store.events.list({ afterSeq, limit: 100_000 });
    const skewed = events.filter(({ type }) => type === "clock.skewed");
    const tellers = new Set(skewed.map(({ worker }) => worker));
    const planned = events.filter(({ type }) => type === "renewal.planned");
    const ahead = events.filter((event) => event.type !== "clock.skewed" && event.at > Date.now() + TOLERATED_MS);
    for (const name of SKEWED) {
      await world.fleet.rest(name);
      world.fleet.start(name);
    }
    await world.fleet.allReady();
    await world.force([later]);
    const after = await world.converged(oneMore(before, [asked, later]));
    return {
      injections: [
        { at, convergedAt: done.get(asked) ?? 0 },
        { at, convergedAt: after.get(later) ?? 0 },
      ],
      notes: [`told as: ${String(skewed[0]?.detail.message)}`],
      problems: [
        // The planner ticks; the ACME worker finds out, and tells, only if it is handed the job.
        ...(tellers.size > 0 && skewed.length === tellers.size
          ? []
          : [`${skewed.length} clock.skewed events by ${tellers.size} processes`]),
        ...(planned.length === 1 ? [] : [`${planned.length} renewals were planned, one was asked for`]),
        ...(ahead.length === 0 ? [] : [`written by a wrong clock: ${ahead.map(({ type }) => type).join(", ")}`]),
      ],
    };
  },
};

export const CLOCK_DRILLS: readonly Drill[] = [clock];
