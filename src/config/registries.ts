import { DEPLOYERS } from "../deployers/index.ts";
import { SOLVERS } from "../solvers/index.ts";

export type SolverPlugin = (typeof SOLVERS)[number];
export type DeployerPlugin = (typeof DEPLOYERS)[number];

/** The kinds that `type:` may name. */
export interface Registries {
  readonly solvers: readonly SolverPlugin[];
  readonly deployers: readonly DeployerPlugin[];
}

export const REGISTRIES: Registries = { solvers: SOLVERS, deployers: DEPLOYERS };
