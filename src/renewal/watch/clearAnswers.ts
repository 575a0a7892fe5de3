import { toRenewalError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";

const BATCH = 50;
const REMOVAL_TIMEOUT_MS = 60_000;
/** A removal that fails so often is reported once in the history; it is tried again all the same. */
const REPORTED_ATTEMPT = 3;

/**
 * Removes DNS records that nobody needs any more: a worker died after it published them, or could not remove them. It
 * needs no CA. Several workers may do so at once: a record that is gone is no fault.
 */
export async function clearAnswers(
  { store, clock, clockGuard, services, log }: Pick<Context, "store" | "clock" | "clockGuard" | "services" | "log">,
  signal: AbortSignal,
): Promise<void> {
  await clockGuard.check(signal);
  for (const record of await store.dns.records.leftovers(clock.now(), BATCH)) {
    signal.throwIfAborted();
    const { solver, name, certificate, renewalId } = record;
    try {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(REMOVAL_TIMEOUT_MS)]);
      await services.solver(solver).dns?.withdraw(record, bounded);
      log.info({ solver, name, certificate: certificate ?? "" }, "removed a DNS record that nobody needs any more");
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toRenewalError(thrown);
      log.warn(
        { solver, name, certificate: certificate ?? "", err: error },
        "cannot remove a DNS record that nobody needs any more",
      );
      // The solver notes its own failures; one that left the configuration cannot.
      if (error.code === "config.removed") await noteRemovedSolver(store, record, error.message, clock.now());
      if (record.attempts + 1 !== REPORTED_ATTEMPT) continue;
      const detail = { identifier: record.identifier, code: error.code, message: `${name}: ${error.message}` };
      const event = { at: clock.now(), type: "challenge.cleanUpFailed", target: null, detail } as const;
      await store.events.append({ ...event, certificate, renewalId });
    }
  }
}

const REMOVED_SOLVER_RETRY_MS = 3_600_000;

async function noteRemovedSolver(
  store: Context["store"],
  { id, attempts }: { readonly id: string; readonly attempts: number },
  errorMessage: string,
  now: number,
): Promise<void> {
  const nextAttemptAt = now + REMOVED_SOLVER_RETRY_MS;
  const patch = { attempts: attempts + 1, nextAttemptAt, errorCode: "config.removed", errorMessage } as const;
  await store.dns.records.update(id, { state: "removing", ...patch });
}
