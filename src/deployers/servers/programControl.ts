import { dirname } from "node:path";
import { z } from "zod";
import { checkCommand, runCommand } from "../local/command.ts";
import type { ServerControl } from "./serverControl.ts";

export interface ControlProgram {
  /** A path, or a name looked up in PATH. */
  readonly binary: string;
  /** Arguments that check the configuration and every file it names, and change nothing. */
  readonly test: readonly string[];
  /** Arguments that reload the running server. */
  readonly reload: readonly string[];
  /** For each of the two. */
  readonly timeoutMs: number;
}

/** A server with its own program for check and reload. */
export function programControl({ binary, test, reload, timeoutMs }: ControlProgram): ServerControl {
  return {
    check: () => checkCommand(binary),
    async judge({ secret, paths }, signal) {
      // Programs repeat paths, also of other certificates beside this one, and some look like pieces of a key.
      const known = [...paths, ...paths.map(dirname), ...test.filter((word) => word.startsWith("/"))];
      await runCommand({ argv: [binary, ...test], timeoutMs, secret, known }, signal);
    },
    async reload(secret, signal) {
      await runCommand({ argv: [binary, ...reload], timeoutMs, secret }, signal);
    },
  };
}

export const programName: z.ZodString = z.string().min(1).max(1024);
