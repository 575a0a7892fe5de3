import type { Config } from "../config/config.ts";
import type { Job } from "../domain/queue.ts";
import type { Beats } from "./beats.ts";
import type { LoadWatch } from "./load.ts";
import type { NameServerSettings } from "./nameServer.ts";
import type { ListeningAddress } from "./responder.ts";
import type { Role } from "./roleNames.ts";

/** The parts of the configuration that shape a process. */
export interface RoleSettings {
  /** All of it: what the web role shows and serves by. */
  readonly config: Config;
  readonly tickMs: number;
  readonly sweepMs: number;
  readonly concurrency: Readonly<Record<Job["kind"], number>>;
  /** Deploy to these targets alone, which have an agent of their own; empty: to all that have none. */
  readonly agentOf: readonly string[];
  readonly load: LoadWatch;
  /** The role has finished work. */
  readonly useful: (role: Role) => void;
  /** What is wrong with this process; null: nothing of this kind any more. */
  readonly note: Beats["note"];
  /** null: no solver needs the responder. */
  readonly http01: ListeningAddress | null;
  readonly tlsAlpn01: ListeningAddress | null;
  readonly nameServer: NameServerSettings;
}

export interface RunningRole {
  /** After the configuration changed. Throws what could not be applied; what could be, is. */
  reloaded?(settings: RoleSettings): Promise<void>;
  /** Lets running work finish, bounded; work that does not finish in time is interrupted and resumed elsewhere. */
  close(): Promise<void>;
}
