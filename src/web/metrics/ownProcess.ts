import { collectDefaultMetrics, Registry } from "prom-client";
import { remembered } from "../../domain/remember.ts";

/** promtool refuses their names: gauges that end in `_total`. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** Memory, processor time, event loop and garbage collection of this process; collected from the first scrape on. */
export const ownProcess = remembered(async (): Promise<Registry> => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  return registry;
});
