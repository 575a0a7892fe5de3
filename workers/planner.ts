import { holdReloads } from "../src/compose/reloads.ts";

const reloads = holdReloads();
// Loaded only now: until then, which takes half a second, SIGHUP would end the process.
const { startWorkerProcess } = await import("../src/compose/index.ts");

await startWorkerProcess("planner", reloads);
