import type { Random } from "../support/model/random.ts";
import type { World, WorldOptions } from "./world.ts";

/** In the world that drills share. */
export const SHARED_CERTIFICATES = 6;

export interface Injection {
  /** ms since epoch. */
  readonly at: number;
  /**
   * When everything it had disturbed was as wanted again (ms since epoch); null: never, which is a problem of its own.
   */
  readonly convergedAt: number;
}

export interface Outcome {
  readonly injections: readonly Injection[];
  /** Measured figures worth a line below the table. */
  readonly notes?: readonly string[];
  /** Bars this drill missed beyond those of the oracle. */
  readonly problems?: readonly string[];
  /** Instants other than kills at which an answer of the CA may have been lost on its way (ms since epoch). */
  readonly lossInstants?: readonly number[];
  /** Orders given up on purpose, such as those of a quarantined renewal. */
  readonly abandonedOrders?: number;
}

export interface Settings {
  readonly seed: number;
  readonly quick: boolean;
  /** Of `kills`. */
  readonly certificates: number;
  readonly kills: number;
  /** A drill that takes longer has failed. */
  readonly drillMaxMs: number;
}

interface Named {
  readonly name: string;
  /** Numbers in the fault catalogue. */
  readonly faults: string;
  readonly title: string;
  /** Left out: as `Settings` says. */
  readonly maxMs?: number;
  /** Part of `--quick`. */
  readonly quick: boolean;
  /** To be run by `main.ts` only, which sees to a network where connections survive their listening socket. */
  readonly privateNetwork?: true;
}

/** One fault of the catalogue (FAULTS), done to a world; the oracle judges the world afterwards. */
export interface WorldDrill extends Named {
  /** A world of its own; without, or when it gives null, the one that drills share. */
  readonly world?: (settings: Settings) => Omit<WorldOptions, "seed"> | null;
  readonly run: (world: World, settings: Settings, random: Random) => Promise<Outcome>;
}

/** Starts what it needs itself, and judges itself. */
export interface LoneDrill extends Named {
  readonly alone: (settings: Settings) => Promise<Outcome>;
}

export type Drill = WorldDrill | LoneDrill;
