import { Queue } from "bullmq";
import type { Job, JobQueue } from "../domain/queue.ts";
import { connectProducer, type RedisConnection } from "./connection.ts";
import { deployQueue, jobIdOf, QUEUES, verifyQueue } from "./names.ts";
import { prefixOf, type RedisOptions } from "./options.ts";
import { payloadOf } from "./payload.ts";

/** One pipeline: large enough to be cheap, small enough for its time limit. */
const BATCH_MAX = 200;

/** BullMQ's range; smaller is more urgent, and 0 (no priority) goes first of all. */
const PRIORITY_MAX = 2_097_151;

/** Connects in the background; the first `enqueue` shows whether Redis is there. */
export function openJobQueue(redis: RedisOptions): JobQueue & { close(): Promise<void> } {
  const connection = connectProducer(redis);
  const queues = new Map<string, Queue>();
  const queueNamed = (name: string): Queue => {
    const known = queues.get(name) ?? openQueue(name, redis, connection);
    queues.set(name, known);
    return known;
  };
  return {
    async enqueue(jobs) {
      for (const [name, those] of Map.groupBy(jobs, queueOf)) {
        const queue = queueNamed(name);
        const entries = those.map(entryOf);
        for (let start = 0; start < entries.length; start += BATCH_MAX) {
          await connection.run(() => queue.addBulk(entries.slice(start, start + BATCH_MAX)));
        }
      }
    },
    async close() {
      connection.disconnect();
    },
  };
}

function queueOf(job: Job): string {
  if (job.kind === "deploy") return deployQueue(job.agent ? job.target : null);
  return job.kind === "verify" ? verifyQueue(job.vantage) : QUEUES[job.kind];
}

export function openQueue(name: string, redis: RedisOptions, connection: RedisConnection): Queue {
  const queue = new Queue(name, {
    connection: connection.client,
    prefix: prefixOf(redis),
    // Otherwise a Queue made while Redis is down waits without end, and fails always after one failed version check.
    skipWaitingForReady: true,
    skipVersionCheck: true,
    // Its first write needs Redis at once and would race the connection. BullMQ's default event length applies without
    // it.
    skipMetasUpdate: true,
    ...(redis.telemetry && { telemetry: redis.telemetry }),
  });
  // Without a listener an error event ends the process; connection.run reports the same trouble to its caller.
  queue.on("error", () => {});
  return queue;
}

function entryOf(job: Job) {
  return {
    name: job.kind,
    data: payloadOf(job),
    opts: {
      jobId: jobIdOf(job),
      priority: priorityOf(job.priority),
      // The database decides what is tried again; BullMQ never does.
      attempts: 1,
      // A kept job would block its id: the sweep could not enqueue the same work again.
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    },
  };
}

function priorityOf(priority: number): number {
  if (Number.isNaN(priority)) return PRIORITY_MAX;
  return Math.min(Math.max(Math.round(priority), 0), PRIORITY_MAX);
}
