import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import type { Job } from "../domain/queue.ts";
import type { Role } from "../domain/role.ts";
import type { RedisOptions } from "../queue/options.ts";
import { startWorker, type WorkerOptions } from "../queue/worker.ts";
import type { Context } from "../renewal/context.ts";
import type { Room } from "../renewal/rooms.ts";
import type { LoadWatch } from "./load.ts";

/** What a handler resolves with if this process cannot do the job now. */
export const SKIPPED = Symbol("skipped");

export type Handle = (job: Job, signal: AbortSignal) => Promise<unknown>;

export interface Shared {
  readonly context: Context;
  readonly redis: RedisOptions;
  readonly load: LoadWatch;
  /** The role has finished work. */
  readonly useful: (role: Role) => void;
}

export interface JobWorker {
  /** How many jobs at a time, as configured. */
  setMax(jobs: number): void;
  /** Where it could begin a job at once: `work` is done in place of one. Null: it could not. */
  room<Claimed>(work: (claimed: Claimed, signal: AbortSignal) => Promise<void>): Room<Claimed> | null;
  close(): Promise<void>;
}

const ROLE_OF: Readonly<Record<Job["kind"], Role>> = { issue: "acme", deploy: "deployer", verify: "verifier" };

export function jobWorker(
  { context, redis, load, useful }: Shared,
  kind: Job["kind"],
  max: number,
  handle: Handle,
  own: Pick<WorkerOptions, "agentOf" | "vantage"> = {},
): JobWorker {
  const worker = startWorker({
    redis,
    kind,
    concurrency: max,
    async handle(job, signal) {
      const ended = await watched.admit(signal);
      try {
        if ((await handle(job, signal)) !== SKIPPED) useful(ROLE_OF[kind]);
      } finally {
        ended();
      }
    },
    onError: report(context, kind),
    isReady: () => databaseAnswers(context),
    ...own,
  });
  const watched = load.watch({ kind, max, setConcurrency: (jobs) => worker.setConcurrency(jobs) });
  return {
    setMax: watched.setMax,
    room<Claimed>(work: (claimed: Claimed, signal: AbortSignal) => Promise<void>) {
      const leave = watched.tryAdmit();
      if (leave === null) return null;
      const begin = (claimed: Claimed): void =>
        worker.runBeside((signal) =>
          work(claimed, signal)
            .then(() => useful(ROLE_OF[kind]), report(context, kind))
            .finally(leave),
        );
      return { begin, leave };
    },
    close() {
      watched.end();
      return worker.close();
    },
  };
}

/** Also gives back what was claimed when the database went away. */
async function databaseAnswers({ store, owedClaims }: Context): Promise<void> {
  await store.events.mark();
  await owedClaims?.giveBack();
}

/** Of requests: one that is refused was answered, and nothing tries it again. */
export function reportRequest({ log }: Pick<Context, "log">): (error: RenewalError, jobId?: string) => void {
  return (error, jobId) => {
    if (error.code === "clock.skewed") return;
    if (error.code === "request.invalid") log.info({ jobId, reason: error.message }, "request refused");
    else log.error({ jobId, err: error }, "request failed; its sender was answered so");
  };
}

export function report({ log }: Context, role: string): (error: unknown) => void {
  return (thrown) => {
    const error = toRenewalError(thrown);
    // The clock guard has reported it once; each tick would repeat it.
    if (error.code !== "clock.skewed")
      log.error({ role, err: error }, "job failed; the sweep enqueues it again while it is due");
  };
}
