import { loadPlugins } from "../../src/config/schema/registries.ts";

/** Every kind, loaded: for tests that speak of all of them. */
export const { solvers: SOLVERS, deployers: DEPLOYERS, channels: CHANNELS } = await loadPlugins();
