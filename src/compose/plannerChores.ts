import { createRevocationLists } from "../acme/revocationLists.ts";
import type { Config } from "../config/config.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../domain/time.ts";
import type { Context } from "../renewal/context.ts";
import { createParts } from "../renewal/plan/parts.ts";
import type { PlannerPart } from "../renewal/rules/plannerParts.ts";
import { boundInstants } from "../renewal/watch/boundInstants.ts";
import { renewCanary } from "../renewal/watch/canary.ts";
import { measureDrills } from "../renewal/watch/drills.ts";
import { runExercises } from "../renewal/watch/exercise.ts";
import { watchHorizon } from "../renewal/watch/horizon.ts";
import { watchPeers } from "../renewal/watch/peers.ts";
import { rehearseDue, rehearseRequested } from "../renewal/watch/rehearseDue.ts";
import { applyRetention } from "../renewal/watch/retention.ts";
import { checkRevocations } from "../renewal/watch/revocations.ts";
import { selfTestChannels } from "../renewal/watch/selfTest.ts";
import { requestWeeklyReport } from "../renewal/watch/weeklyReport.ts";
import { CHECK_EVERY_MS, checkFleet } from "./checkFleet.ts";
import { report } from "./jobWorker.ts";
import { packageVersion } from "./packageVersion.ts";
import { repeat } from "./repeat.ts";

/** A chore that fails so often in a row is shown, and calls people. */
const FAILURES_MIN = 2;
/** Of what is not configured, only what an earlier configuration left is looked for. */
const LEFT_OVER_MS = 15 * SECOND_MS;

interface Chore {
  readonly part: PlannerPart;
  readonly everyMs: number | (() => number);
  readonly work: (signal: AbortSignal) => Promise<unknown>;
  readonly first?: "now";
}

/** What a planner does beside planning, each in its own time: one that hangs or fails stops no other. */
export function startPlannerChores(context: Context, config: () => Config): { close(): Promise<void> } {
  const lists = createRevocationLists(({ issuer }) => context.services.caAddress?.(issuer) ?? null);
  const chores: readonly Chore[] = [
    { part: "rehearsal", everyMs: 30 * SECOND_MS, work: (signal) => rehearseDue(context, signal) },
    // How soon a rehearsal that somebody asked for begins.
    { part: "rehearsalRequests", everyMs: 2 * SECOND_MS, work: (signal) => rehearseRequested(context, signal) },
    { part: "canary", everyMs: 20 * SECOND_MS, work: (signal) => renewCanary(context, signal) },
    { part: "drills", everyMs: 2 * SECOND_MS, work: (signal) => measureDrills(context, signal) },
    { part: "horizon", everyMs: MINUTE_MS, work: (signal) => watchHorizon(context, signal) },
    {
      part: "exercise",
      everyMs: () => (context.settings.alerts.exercise === null ? LEFT_OVER_MS : 2 * SECOND_MS),
      work: (signal) => runExercises(context, signal),
    },
    {
      part: "peers",
      everyMs: () => ((context.services.peers?.() ?? []).length === 0 ? LEFT_OVER_MS : 2 * SECOND_MS),
      work: (signal) => watchPeers(context, signal),
    },
    {
      part: "report",
      everyMs: 15 * SECOND_MS,
      work: (signal) => requestWeeklyReport(context, config().report, signal),
    },
    { part: "selfTest", everyMs: HOUR_MS, work: (signal) => selfTestChannels(context, signal) },
    // How soon a scheduled discovery begins; it is loaded when one does.
    {
      part: "discovery",
      everyMs: 15 * SECOND_MS,
      work: async (signal) => {
        if (config().discovery.everyMs === null) return;
        const { discoverOnSchedule } = await import("./discovery.ts");
        await discoverOnSchedule({ ...context, config: config() }, signal);
      },
    },
    { part: "retention", everyMs: 10 * MINUTE_MS, work: (signal) => applyRetention(context, signal) },
    { part: "steady", everyMs: CHECK_EVERY_MS, work: (signal) => checkLargeFleet(context, signal) },
    { part: "bounds", everyMs: HOUR_MS, work: (signal) => boundInstants(context, signal), first: "now" },
    // Each list is fetched once a day at most; this is how soon a new certificate is looked up in one.
    { part: "revocations", everyMs: 15 * MINUTE_MS, work: (signal) => checkRevocations(context, lists, signal) },
  ];
  const parts = createParts(context, FAILURES_MIN);
  const running = chores.map(({ part, everyMs, work, first }) =>
    repeat(everyMs, (signal) => parts.run(part, () => work(signal), signal), report(context, part), first),
  );
  return {
    async close() {
      await Promise.all(running.map((chore) => chore.close()));
    },
  };
}

function checkLargeFleet({ store, clock, clockGuard, services }: Context, signal: AbortSignal): Promise<number> {
  const budget = (issuer: string) => services.budget(issuer);
  return checkFleet({ store, clock, clockGuard, budget, release: packageVersion }, signal);
}
