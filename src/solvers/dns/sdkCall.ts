import { raceAbort } from "../../domain/abort.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { Secret } from "../../domain/secret.ts";
import type { ProviderDependencies } from "./provider.ts";
import { quote } from "./rest/quote.ts";

const TIMEOUT_MS = 30_000;
const ERROR_NAME = /^[A-Za-z]{3,60}$/;

/** What a vendor's error means. `text` MUST be the documented one: an SDK's own error may hold the request. */
export interface SdkFailure {
  readonly code: ErrorCode;
  readonly text: string;
  /** The vendor's name of the error, such as `NoSuchHostedZone`: what hides pieces of keys in texts may hide it. */
  readonly name?: string;
  readonly retryAt?: number;
}

export interface SdkCall<Result> {
  /** The provider and what is asked of it, such as `Route 53: ListHostedZones`. */
  readonly what: string;
  readonly secrets?: readonly Secret[];
  readonly run: (signal: AbortSignal) => Promise<Result>;
  readonly translate: (error: unknown) => SdkFailure;
}

/**
 * One call of a vendor's SDK, bounded in time. Cancelling ends the wait at once, even if the SDK ignores its signal.
 */
export async function callSdk<Result>(
  { turn }: Pick<ProviderDependencies, "turn">,
  { what, secrets = [], run, translate }: SdkCall<Result>,
  signal: AbortSignal,
): Promise<Result> {
  await turn(signal);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const both = AbortSignal.any([signal, timeout]);
  try {
    return await raceAbort(both, () => run(both));
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) throw new RenewalError("dns.unreachable", `${what}: no answer within ${TIMEOUT_MS / 1000} s`);
    if (error instanceof RenewalError) throw error;
    const { code, text, name, retryAt } = translate(error);
    const options = retryAt === undefined ? {} : { retryAt };
    const named = name !== undefined && ERROR_NAME.test(name) ? ` (${name})` : "";
    throw new RenewalError(code, `${what}: ${quote(text, secrets) || "no answer"}${named}`, options);
  }
}
