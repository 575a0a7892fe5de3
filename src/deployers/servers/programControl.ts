import { z } from "zod";
import { checkCommand, runCommand } from "../local/command.ts";
import type { ServerControl } from "./fileServer.ts";

export interface ControlProgram {
  /** A path, or a name looked up in PATH. */
  readonly binary: string;
  /** Arguments with which it checks the configuration and everything that names, touching nothing. */
  readonly test: readonly string[];
  /** Arguments with which it tells the running server to reload. */
  readonly reload: readonly string[];
  /** For each of the two. */
  readonly timeoutMs: number;
}

/** A server that is checked and reloaded by a program of its own. */
export function programControl({ binary, test, reload, timeoutMs }: ControlProgram): ServerControl {
  return {
    check: () => checkCommand(binary),
    async judge(secret, signal) {
      await runCommand({ argv: [binary, ...test], timeoutMs, secret }, signal);
    },
    async reload(secret, signal) {
      await runCommand({ argv: [binary, ...reload], timeoutMs, secret }, signal);
    },
  };
}

export const programName: z.ZodString = z.string().min(1).max(1024);
