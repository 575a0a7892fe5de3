import type { Endpoint, Observation } from "./endpoint.ts";
import type { Version } from "./version.ts";

export interface Probe {
  /** All current addresses of the endpoint's host. Throws `verify.unreachable` if the name does not resolve. */
  addresses(endpoint: Endpoint, signal: AbortSignal): Promise<string[]>;
  /**
   * One fresh handshake (no resumption) with one address. Never throws for what the peer did: `problem` of the
   * observation describes it. With `expected`, leaf, names, dates and chain are checked against that version.
   */
  observe(endpoint: Endpoint, address: string, expected: Version | null, signal: AbortSignal): Promise<Observation>;
}
