import type { JobQueue } from "../domain/queue.ts";
import type { Context } from "../renewal/context.ts";

/** Everything a command needs that only records: jobs are left to the sweep. */
export function withoutQueue(context: Context): Context {
  const queue: JobQueue = { enqueue: async () => {} };
  return { ...context, queue };
}
