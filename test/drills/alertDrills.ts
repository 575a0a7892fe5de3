import { lostOrDoubledAlerts } from "../support/model/alertOutbox.ts";
import { ALERT_KILLS } from "./alertKills.ts";
import type { Drill, Injection } from "./drill.ts";

const SEEDS = 100;
const SEEDS_QUICK = 5;
const DEATHS_OF_EACH = 20;

const alerts: Drill = {
  name: "alerts",
  faults: "2–5",
  title: "processes that notify die 20 times while a channel is away for an hour: no alert lost or doubled",
  quick: true,
  async alone({ seed, quick }) {
    const injections: Injection[] = [];
    const problems: string[] = [];
    const seeds = quick ? SEEDS_QUICK : SEEDS;
    for (let run = 0; run < seeds; run++) {
      const at = Date.now();
      problems.push(...(await lostOrDoubledAlerts(seed + run)));
      injections.push({ at, convergedAt: Date.now() });
    }
    return { injections, problems, notes: [`alerts: ${seeds * DEATHS_OF_EACH} deaths in ${seeds} runs`] };
  },
};

export const ALERT_DRILLS: readonly Drill[] = [alerts, ALERT_KILLS];
