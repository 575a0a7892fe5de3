import { cacheCompiledCode } from "../src/compose/compileCache.ts";
import { refuseOldNode } from "../src/compose/nodeVersion.ts";
import { holdReloads } from "../src/compose/reloads.ts";

refuseOldNode();
const reloads = holdReloads();
cacheCompiledCode();
// Loaded only now: until then SIGHUP would end the process.
const { startWorkerProcess } = await import("../src/compose/index.ts");

await startWorkerProcess("web", reloads);
