import type { QueueDepth } from "../domain/queue.ts";
import { connectProducer } from "./connection.ts";
import { deployQueue, QUEUES, verifyQueue } from "./names.ts";
import type { RedisOptions } from "./options.ts";
import { openQueue } from "./producer.ts";

const WAITING = ["wait", "prioritized"] as const;
const AGENTS_MAX = 100;
/** The age is that of the oldest among the first so many: a queue that is longer is late anyway. */
const JOBS_LOOKED_AT = 100;

/**
 * How much waits in Redis. Jobs are hints, so an empty queue says nothing of certificates: the database does.
 * Throws `queue.unavailable` within 2 s when Redis does not answer.
 */
export async function queueDepths(
  redis: RedisOptions,
  { agentTargets, vantages }: { readonly agentTargets: readonly string[]; readonly vantages: readonly string[] },
  signal: AbortSignal,
): Promise<QueueDepth[]> {
  const connection = connectProducer(redis);
  try {
    const names = [
      ...Object.values(QUEUES),
      ...agentTargets.slice(0, AGENTS_MAX).map(deployQueue),
      ...vantages.map(verifyQueue),
    ];
    const depths: QueueDepth[] = [];
    for (const name of names) {
      const queue = openQueue(name, redis, connection);
      depths.push(
        await connection.run(async () => {
          const counts = await queue.getJobCounts(...WAITING, "active", "delayed");
          const waiting = WAITING.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
          const jobs = waiting === 0 ? [] : await queue.getJobs([...WAITING], 0, JOBS_LOOKED_AT - 1, true);
          const since = jobs.flatMap((job) => (Number.isFinite(job?.timestamp) ? [job.timestamp] : []));
          return {
            queue: name,
            waiting,
            active: counts.active ?? 0,
            delayed: counts.delayed ?? 0,
            oldestAt: since.length === 0 ? null : Math.min(...since),
          };
        }, signal),
      );
    }
    return depths;
  } finally {
    connection.disconnect();
  }
}
