import { RenewalError, toRenewalError } from "../../domain/errors.ts";

interface Failure {
  readonly region: string;
  readonly error: RenewalError;
}

/**
 * Acts in every region at the same time; a failed region stops no other. Throws after all have ended and names the
 * failed ones, so that the next attempt finishes there. `act` MUST be idempotent, because the other regions are done
 * already.
 */
export async function inEveryRegion<Place, Done>(
  places: ReadonlyMap<string, Place>,
  act: (region: string, place: Place) => Promise<Done>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Done>> {
  const done = new Map<string, Done>();
  const failures: Failure[] = [];
  const tried = [...places].map(([region, place]) =>
    act(region, place).then(
      (result) => ({ region, result }),
      // Cancelled or failed; which, is asked once all have ended.
      (thrown: unknown) => ({ region, error: toRenewalError(thrown) }),
    ),
  );
  // In the order of configuration, so that a receipt does not change by chance.
  for (const outcome of await Promise.all(tried)) {
    if ("error" in outcome) failures.push(outcome);
    else done.set(outcome.region, outcome.result);
  }
  if (failures.length === 0) return done;
  signal.throwIfAborted();
  throw joined(failures, [...done.keys()]);
}

/** If any region can succeed later, the whole is retried, after the longest wait that a region asks for. */
function joined(failures: readonly Failure[], done: readonly string[]): RenewalError {
  const [only, ...others] = failures;
  if (only !== undefined && others.length === 0 && done.length === 0) return only.error;
  const errors = failures.map(({ error }) => error);
  const again = errors.filter(({ facts }) => facts.retry === "backoff");
  const limited = again.find(({ code }) => code === "deploy.rateLimited");
  const { code } = limited ?? again[0] ?? errors[0] ?? new RenewalError("internal.bug", "no region failed");
  const retryAt = Math.max(...again.map((error) => error.retryAt ?? 0));
  const finished = done.length === 0 ? "" : `; done in ${done.join(", ")}`;
  const message = failures.map(({ region, error }) => `${region}: ${error.message}`).join("; ") + finished;
  return new RenewalError(code, message, {
    cause: new AggregateError(errors, "several regions"),
    ...(retryAt > 0 && { retryAt }),
  });
}
