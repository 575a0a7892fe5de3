import type { Solver } from "../domain/issuer.ts";
import { definePlugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { rfc2136 } from "./dns/providers/rfc2136.ts";
import { dnsSolver } from "./dns/solver.ts";
import { http01, type SolverDependencies } from "./http01.ts";
import { webroot } from "./webroot.ts";

export type { SolverDependencies } from "./http01.ts";

/** Every solver kind: one line each. */
export const SOLVERS: readonly RegisteredPlugin<SolverDependencies, Solver>[] = [
  definePlugin(http01),
  definePlugin(webroot),
  definePlugin(dnsSolver(rfc2136)),
];
