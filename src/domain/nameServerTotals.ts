/** How renewd's own name server ended a query. */
export const NAME_SERVER_ANSWERS = [
  /** With a TXT value: what a CA wants. */
  "value",
  /** With records of the zone itself: SOA, NS, CAA, addresses. */
  "zone",
  /** The name is in the zone, without such a record. */
  "noData",
  /** Of no zone of ours, or a transfer. */
  "refused",
  "malformed",
  /** The store could not be read. */
  "failed",
  /** Too long for UDP: asked again over TCP. */
  "truncated",
  /** Over the rate limit: cut off or not answered. */
  "rateLimited",
  /** More at once than it takes. */
  "overloaded",
] as const;
export type NameServerAnswer = (typeof NAME_SERVER_ANSWERS)[number];
export type Transport = "udp" | "tcp";

export interface NameServerCount {
  readonly transport: Transport;
  /** `connection`: a TCP connection that was closed to make room for another. */
  readonly answer: NameServerAnswer | "connection";
  readonly count: number;
}

export interface NameServerTotal extends NameServerCount {
  /** ms since epoch: when it was last counted, to some seconds. */
  readonly lastAt: number;
}

/** Of all processes, since the installation began: they survive restarts. */
export interface NameServerTotalsStore {
  /** Adds what one process has counted since it last did. */
  add(counts: readonly NameServerCount[], at: number): Promise<void>;
  list(): Promise<NameServerTotal[]>;
}
