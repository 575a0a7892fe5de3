import { cacheCompiledCode } from "../src/compose/compileCache.ts";
import { holdReloads } from "../src/compose/reloads.ts";

const reloads = holdReloads();
cacheCompiledCode();
// Loaded only now: until then SIGHUP would end the process.
const { startWorkerProcess } = await import("../src/compose/index.ts");

await startWorkerProcess("web", reloads);
