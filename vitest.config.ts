import { availableParallelism } from "node:os";
import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What drives whole systems waits most: begun first, it does not run alone at the end. */
const SLOW = /\/test\/(drills|e2e)\/|\/(takeover|kill|model|sqlite|postgresql|nginx|conformance)\.[\w.]*test\.ts$/;

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [
      ...sorted.filter(({ moduleId }) => SLOW.test(moduleId)),
      ...sorted.filter(({ moduleId }) => !SLOW.test(moduleId)),
    ];
  }
}

/**
 * Two speeds. `npm test`: what a newcomer runs, with the servers of the demo. `npm run test:all` adds `*.full.test.ts`:
 * further servers, whole systems and drills. `RENEWD_TESTS=full` runs those alone.
 */
const FULL = "test/**/*.full.test.ts";
const speed = process.env.RENEWD_TESTS ?? "fast";
const include = speed === "full" ? [FULL] : ["test/**/*.test.ts"];
const exclude = [...configDefaults.exclude, ...(speed === "fast" ? [FULL] : [])];

export default defineConfig({
  test: {
    include,
    exclude,
    // End-to-end tests drive real servers; the bound only stops a hang, it measures nothing.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    // A process of its own takes each file a second of CPU, to load what the file before it had loaded. Files share one,
    // so each leaves it as it was: environment, listeners, servers.
    isolate: false,
    unstubEnvs: true,
    // One more than processors: most files wait for servers most of the time.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: SlowFirst },
    globalSetup: ["test/support/leavesNothing.ts"],
    coverage: { provider: "v8", include: ["src/**"], reporter: ["text-summary"] },
  },
});
