import { cacheCompiledCode } from "../src/compose/compileCache.ts";
import { refuseOldNode } from "../src/compose/nodeVersion.ts";
import { holdReloads } from "../src/compose/reloads.ts";
import { raiseThreads } from "../src/config/read/environment.ts";

refuseOldNode();
raiseThreads();
const reloads = holdReloads();
cacheCompiledCode();
// Loaded only now: until then SIGHUP would end the process.
const { startWorkerProcess } = await import("../src/compose/index.ts");

await startWorkerProcess("verifier", reloads);
