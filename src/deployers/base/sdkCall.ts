import { raceAbort } from "../../domain/abort.ts";
import { RenewalError } from "../../domain/errors.ts";
import { formatDuration } from "../../domain/time.ts";

export interface SdkCall<Result> {
  /** The target and what is asked of it, such as `Key Vault edge: importCertificate`. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly run: (signal: AbortSignal) => Promise<Result>;
  readonly translate: (error: unknown) => RenewalError;
}

/**
 * One call of a vendor's SDK, bounded in time. Cancelling ends the wait at once, even if the SDK ignores its signal.
 * Throws what `translate` makes of the SDK's error, or `deploy.timeout`.
 */
export async function callSdk<Result>(
  { what, timeoutMs, run, translate }: SdkCall<Result>,
  signal: AbortSignal,
): Promise<Result> {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const both = AbortSignal.any([signal, timeout]);
  try {
    return await raceAbort(both, () => run(both));
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted)
      throw new RenewalError("deploy.timeout", `${what} did not answer within ${formatDuration(timeoutMs)}`);
    throw error instanceof RenewalError ? error : translate(error);
  }
}
