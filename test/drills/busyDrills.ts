// A machine that is too busy for what its workers may take at a time.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { nameOf } from "../support/servers/edge.ts";
import { startStages } from "../support/system/stages.ts";
import { until } from "../support/until.ts";
import type { Drill } from "./drill.ts";

const CERTIFICATES = 67;
/** Ninety leases ran out in so long, and no certificate came. */
const PROGRESS_MS = 200_000;
const END_MAX_MS = 600_000;
const PER_CORE = 2;
/** None ran out when this was written; a busy machine may stop a process for longer than a lease. */
const LOST_MAX = 3;

const busy: Drill = {
  name: "busy",
  faults: "5",
  title: "workers.issue: 64 on a machine with two other programs on each core: leases are kept, certificates come",
  quick: false,
  async run() {
    await using stages = await startStages({
      edges: ["front"],
      certificates: (edge) =>
        Object.fromEntries(
          Array.from({ length: CERTIFICATES }, (_, index) => `busy-${index}`).map((name) => [
            name,
            { names: [nameOf(name)], targets: ["front"], endpoints: [edge("front").endpoint(name)] },
          ]),
        ),
      sections: { workers: { issue: 64, deploy: 64, verify: 64 } },
    });
    using stack = new DisposableStack();
    for (let count = 0; count < PER_CORE * availableParallelism(); count += 1) {
      const program = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
      stack.defer(() => program.kill("SIGKILL"));
    }
    const { system } = stages;
    const at = Date.now();
    const workers = Object.entries(await system.workers());
    const succeeded = async () =>
      (await system.store.renewals.list({ states: ["succeeded"], limit: CERTIFICATES })).length;
    const [ends, problems]: [number[], string[]] = [[], []];
    let inTime = 0;
    await until(
      "every certificate",
      async () => {
        const done = await succeeded();
        while (ends.length < done) ends.push(Date.now());
        if (Date.now() - at <= PROGRESS_MS) inTime = done;
        return done === CERTIFICATES ? done : null;
      },
      END_MAX_MS,
    );
    const lost = workers.map(
      ([role, { log }]) => [role, log.filter((line) => line.includes("the lease ran out")).length] as const,
    );
    const all = lost.reduce((sum, [, count]) => sum + count, 0);
    const byRole = lost.map(([role, count]) => `${role} ${count}`).join(", ");
    if (all > LOST_MAX) problems.push(`${all} leases ran out: ${byRole}`);
    if (inTime === 0) problems.push(`no certificate came within ${PROGRESS_MS / 1000} s`);
    if (system.orders() > CERTIFICATES) problems.push(`${system.orders()} orders for ${CERTIFICATES} certificates`);
    const fewer = await system.store.events.list({ types: ["worker.concurrency"], limit: 1_000 });
    return {
      injections: ends.map((convergedAt) => ({ at, convergedAt })),
      problems,
      notes: [
        `${inTime} certificates within ${PROGRESS_MS / 1000} s, ${all} leases ran out (${byRole})`,
        `jobs at a time: ${fewer.map(({ detail: { kind, jobs } }) => `${kind} ${jobs}`).join(", ") || "as configured"}`,
      ],
    };
  },
};

export const BUSY_DRILLS: readonly Drill[] = [busy];
