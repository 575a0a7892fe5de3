import { DEPLOYERS, type DeployerPlugin } from "../../deployers/index.ts";
import { type Kind, loadKinds } from "../../domain/plugin.ts";
import { CHANNELS, type ChannelPlugin } from "../../notify/index.ts";
import { SOLVERS, type SolverPlugin } from "../../solvers/index.ts";

export type { DeployerPlugin } from "../../deployers/index.ts";
export type { ChannelPlugin } from "../../notify/index.ts";
export type { SolverPlugin } from "../../solvers/index.ts";

/** The kinds that `type:` may name. Those that a configuration names are loaded. */
export interface Registries {
  readonly solvers: readonly Kind<SolverPlugin>[];
  readonly deployers: readonly Kind<DeployerPlugin>[];
  readonly channels: readonly Kind<ChannelPlugin>[];
}

export const REGISTRIES: Registries = { solvers: SOLVERS, deployers: DEPLOYERS, channels: CHANNELS };

/** All of them, for what speaks of every kind. */
export interface Plugins {
  readonly solvers: readonly SolverPlugin[];
  readonly deployers: readonly DeployerPlugin[];
  readonly channels: readonly ChannelPlugin[];
}

export async function loadPlugins({ solvers, deployers, channels }: Registries = REGISTRIES): Promise<Plugins> {
  const loaded = await Promise.all([loadKinds(solvers), loadKinds(deployers), loadKinds(channels)]);
  return { solvers: loaded[0], deployers: loaded[1], channels: loaded[2] };
}
