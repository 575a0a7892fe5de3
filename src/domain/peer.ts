/**
 * What another renewd said when it was asked last. `notReady`: it answers that it does not do its work. `late`: it says
 * that its planner has completed no sweep for too long. `unreachable`: nobody there answers as renewd does.
 */
export const PEER_STATES = ["well", "late", "notReady", "unreachable"] as const;
export type PeerState = (typeof PEER_STATES)[number];

/** What `/readyz` of another renewd says. */
export interface PeerAnswer {
  readonly ready: boolean;
  /** Why it is not ready, one sentence each. */
  readonly reasons: readonly string[];
  /** How long ago its planner completed a sweep, ms by its own clock; null: it does not say. */
  readonly sweepAgeMs: number | null;
}

/** Another renewd as it is configured. */
export interface PeerSource {
  readonly name: string;
  /** Without a slash at its end. It holds no secret. */
  readonly url: string;
  readonly everyMs: number;
  /** A sweep that is older is too old. */
  readonly sweepMaxMs: number;
  /** Bounded. Throws `peer.unreachable`. */
  ask(signal: AbortSignal): Promise<PeerAnswer>;
}

/** What is known of another renewd. Instants are ms since epoch, by the clock of this one. */
export interface Peer {
  readonly name: string;
  readonly url: string;
  readonly everyMs: number;
  readonly state: PeerState;
  /** Since when the state has been the same. */
  readonly since: number;
  readonly askedAt: number;
  /** Answers in a row that were not `well`. */
  readonly failures: number;
  /** What is wrong, one line; null: nothing. */
  readonly problem: string | null;
  /** When its planner last completed a sweep; null: it never said. */
  readonly sweptAt: number | null;
  /** null: never. */
  readonly lastWellAt: number | null;
}

export interface PeerStore {
  /** Inserts it or replaces what is known of it. */
  save(peer: Peer): Promise<void>;
  /** In order of their names; what somebody else wrote is left out. */
  list(): Promise<Peer[]>;
  /** Removes all others. */
  keep(names: readonly string[]): Promise<void>;
}
