import { startWorkerProcess } from "../src/compose/index.ts";

await startWorkerProcess("verifier");
