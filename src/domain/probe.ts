import type { Endpoint, Observation } from "./endpoint.ts";
import type { Version } from "./version.ts";

export interface Probe {
  /** Every address the endpoint's host has now; throws `verify.unreachable` when it does not resolve. */
  addresses(endpoint: Endpoint, signal: AbortSignal): Promise<string[]>;
  /**
   * One fresh handshake (no resumption) with one address. Never throws for what the peer did: the observation's
   * `problem` tells. With `expected`, leaf, names, dates and chain are checked against that version.
   */
  observe(endpoint: Endpoint, address: string, expected: Version | null, signal: AbortSignal): Promise<Observation>;
}
