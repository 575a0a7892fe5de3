import type { Endpoint, Observation, ServedCertificate } from "./endpoint.ts";
import type { Finding } from "./scan.ts";
import type { SeenCertificate } from "./served.ts";
import type { Version } from "./version.ts";

/** What is dialled. */
export interface Dialled extends Endpoint {
  /** A process of this machine. The observation says whether it alone accepted there and held the other end. */
  readonly server?: number;
}

export interface Probe {
  /** All current addresses of the endpoint's host. Throws `verify.unreachable` if the name does not resolve. */
  addresses(endpoint: Endpoint, signal: AbortSignal): Promise<string[]>;
  /**
   * One fresh handshake (no resumption) with one address. Never throws for what the peer did: `problem` of the
   * observation describes it. With `expected`, leaf, names, dates and chain are checked against that version.
   */
  observe(endpoint: Dialled, address: string, expected: Version | null, signal: AbortSignal): Promise<Observation>;
  /**
   * Connections of this process of renewd to the address in the last ten seconds, for all server names, whose other
   * end the process held; 0 for so long after one whose other end it did not hold. Left out: this cannot be told.
   */
  attested?(pid: number, at: { readonly address: string; readonly port: number }): number;
}

/** What is behind what a probe of this process has seen: nothing of what was read back from the database. */
export interface ServedJudge {
  /** Leaf first, in wire order; null: it was not seen by this process. */
  certificates(served: ServedCertificate): readonly SeenCertificate[] | null;
  /** What a client that asks for `serverName` finds wrong with it, the path to a trusted root included. */
  findings(served: ServedCertificate, serverName: string, now: number): readonly Finding[];
}
