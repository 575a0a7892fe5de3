import { isIP } from "node:net";
import { raceAbort } from "../domain/abort.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Resolve } from "../domain/systemResolve.ts";
import { reasonOf } from "./reasons.ts";

/** More than any load balancer publishes. Every address is dialled, so the number is bounded. */
const ADDRESSES_MAX = 64;

/** Each address once, in the resolver's order. Throws `verify.unreachable` if there is none, or the signal's reason. */
export async function addressesOf(host: string, resolve: Resolve, signal: AbortSignal): Promise<string[]> {
  if (isIP(host)) return [host];
  // The system's lookup cannot be cancelled. A late answer is dropped.
  const addresses = await raceAbort(signal, () => resolve(host)).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new RenewalError("verify.unreachable", `${host}: ${reasonOf(error)}`, { cause: error });
  });
  const unique = [...new Set(addresses)];
  if (unique.length === 0) throw new RenewalError("verify.unreachable", `${host}: the name has no address`);
  if (unique.length > ADDRESSES_MAX) {
    throw new RenewalError(
      "verify.unreachable",
      `${host}: the name has ${unique.length} addresses, and renewd dials at most ${ADDRESSES_MAX}`,
    );
  }
  return unique;
}
