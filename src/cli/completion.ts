import type { Command } from "commander";
import { placesOf } from "./completionPlaces.ts";
import { bash, fish, zsh } from "./completionScripts.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * A completion script, made from the program itself. Names of certificates are asked for when they are completed, of
 * the configuration or the server that the line names.
 */
export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program, [], program.options);
  if (shell === "bash") return bash(places);
  return shell === "zsh" ? zsh(places) : fish(places);
}
