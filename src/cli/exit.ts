import type { RenewalError } from "../domain/errors.ts";
import { isUnavailable } from "../domain/errorTable.ts";

/** The one table of exit codes; docs/cli.md and `renewd --help` are made from it. */
export const EXIT = {
  ok: { code: 0, meaning: "Done; for `status`: nothing needs a person; with `--wait`: every renewal succeeded." },
  wrong: {
    code: 1,
    meaning:
      "Something is wrong: a certificate needs a person, a renewal failed, or the command could not do its work.",
  },
  usage: { code: 2, meaning: "Usage, configuration or request is invalid; what it asked for was not done." },
  unavailable: {
    code: 3,
    meaning:
      "What renewd needs could not be had: database, Redis, planner, disk, port or permission; the message says which.",
  },
  timeout: { code: 4, meaning: "`--wait`: a renewal was still running when `--timeout` ran out; it goes on." },
  bug: { code: 70, meaning: "A bug in renewd; the message says what to report." },
  interrupted: { code: 130, meaning: "Interrupted with Ctrl-C; renewals that were started go on." },
} as const satisfies Record<string, { readonly code: number; readonly meaning: string }>;

export type Exit = keyof typeof EXIT;

/** How a command that threw ends. */
export function exitOf({ code, facts }: RenewalError): Exit {
  if (isUnavailable(code)) return "unavailable";
  if (code === "internal.bug") return "bug";
  return facts.class === "configuration" ? "usage" : "wrong";
}
