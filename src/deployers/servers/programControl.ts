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
  /** How lines of its errors look; only words of a list are shown of them, and nothing of other lines. */
  readonly errorLine: RegExp;
  /** For each of the two. */
  readonly timeoutMs: number;
}

/** A server with its own program for check and reload. */
export function programControl({ binary, test, reload, errorLine, timeoutMs }: ControlProgram): ServerControl {
  return {
    check: () => checkCommand(binary),
    async judge({ secret, paths }, signal) {
      // Programs repeat paths, also of other certificates beside this one, and some look like pieces of a key.
      const known = [...paths, ...paths.map(dirname), ...test.filter((word) => word.startsWith("/"))];
      const argv = [binary, ...test];
      await runCommand({ argv, timeoutMs, secret, known, givenKey: true, errorLine }, signal);
    },
    async reload(secret, signal) {
      await runCommand({ argv: [binary, ...reload], timeoutMs, secret, givenKey: true, errorLine }, signal);
    },
  };
}

export const programName: z.ZodString = z.string().min(1).max(1024);
