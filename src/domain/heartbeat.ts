import type { Role } from "./role.ts";

/** How often a process reports that it runs. */
export const BEAT_MS = 10_000;

/** A process that has not reported for this long is not counted as running. */
const SILENT_MS = 4 * BEAT_MS;

/** What a process finds wrong with itself or with what it needs. */
export const PROCESS_PROBLEMS = ["redis", "disk", "reload", "role", "port", "directory", "heartbeat"] as const;
export type ProcessProblemKind = (typeof PROCESS_PROBLEMS)[number];

export interface ProcessProblem {
  readonly kind: ProcessProblemKind;
  readonly message: string;
  /** One imperative sentence. */
  readonly action: string;
  /** ms since epoch. */
  readonly since: number;
}

/** What one role of one process last reported. Instants are ms since epoch. */
export interface Heartbeat {
  /** Host and process, such as `web-1/4242`. */
  readonly process: string;
  readonly role: Role;
  readonly host: string;
  readonly version: string;
  /** Digest of the configuration that the process works by. */
  readonly digest: string;
  readonly configFile: string;
  /** A deployer deploys to these targets alone; empty: to all that have no agent. */
  readonly targets: readonly string[];
  /** The network that a verifier dials from; null: it has no name, or another role. */
  readonly vantage: string | null;
  readonly startedAt: number;
  readonly beatAt: number;
  /** When it last finished work: a tick, a job, an observation. null: not yet. */
  readonly usefulAt: number | null;
  /** It ended in order; null: it runs, or it died. */
  readonly stoppedAt: number | null;
  readonly problems: readonly ProcessProblem[];
}

export function isLive({ stoppedAt, beatAt }: Pick<Heartbeat, "stoppedAt" | "beatAt">, now: number): boolean {
  return stoppedAt === null && now - beatAt < SILENT_MS;
}

/** A person has seen a problem and decided that it need not be red. Instants are ms since epoch. */
export interface Acknowledgement {
  /** Name of a certificate, or id of a finding about renewd itself. */
  readonly subject: string;
  /** Kinds of the problems that were there: another kind is red again. */
  readonly kinds: readonly string[];
  readonly reason: string;
  readonly by: string | null;
  readonly at: number;
  readonly until: number;
}

/** What processes and people say about the state of renewd itself. */
export interface HealthStore {
  /** Names the installation that uses this database; created at first use. */
  installation(): Promise<string>;
  /** One row for each role; replaces what the process reported before. */
  beat(beats: readonly Heartbeat[]): Promise<void>;
  beats(): Promise<Heartbeat[]>;
  /** Forgets processes that reported outside this time only. One that still runs reports again within `BEAT_MS`. */
  forgetBeats(outside: { readonly before: number; readonly after: number }): Promise<void>;
  acknowledge(acknowledgement: Acknowledgement): Promise<void>;
  /** False: there was none. */
  withdraw(subject: string): Promise<boolean>;
  acknowledgements(now: number): Promise<Acknowledgement[]>;
}
