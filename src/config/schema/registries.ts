import { DEPLOYERS } from "../../deployers/index.ts";
import { CHANNELS } from "../../notify/index.ts";
import { SOLVERS } from "../../solvers/index.ts";

export type SolverPlugin = (typeof SOLVERS)[number];
export type DeployerPlugin = (typeof DEPLOYERS)[number];

export type ChannelPlugin = (typeof CHANNELS)[number];

/** The kinds that `type:` may name. */
export interface Registries {
  readonly solvers: readonly SolverPlugin[];
  readonly deployers: readonly DeployerPlugin[];
  readonly channels: readonly ChannelPlugin[];
}

export const REGISTRIES: Registries = { solvers: SOLVERS, deployers: DEPLOYERS, channels: CHANNELS };
