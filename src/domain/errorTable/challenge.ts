import type { ErrorFacts } from "./facts.ts";

/** Answering challenges: solvers. */
export const CHALLENGE_ERRORS = {
  "solver.failed": {
    class: "validation",
    retry: "backoff",
    action: "Check the solver's credentials and reachability.",
  },
} as const satisfies Record<string, ErrorFacts>;
