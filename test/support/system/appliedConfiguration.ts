import { appliedConfiguration } from "../../../src/compose/applied.ts";
import { systemClock } from "../../../src/compose/clock.ts";
import { loadConfigOrExplain } from "../../../src/compose/index.ts";
import { createServices } from "../../../src/compose/services.ts";
import type { Installation } from "./installation.ts";

/** As a planner that has loaded the file; `at` in ms since epoch. */
export async function applyFile(
  { configFile, store }: Pick<Installation, "configFile" | "store">,
  at = Date.now(),
): Promise<void> {
  const config = await loadConfigOrExplain(configFile);
  const services = createServices(config, store, systemClock);
  const before = await store.applied.read();
  await store.applied.record(appliedConfiguration(config, services, before, at), config.certificates);
}
