import type { Command } from "commander";
import type { Cli } from "../command.ts";
import { addDelegate } from "./delegate.ts";

export function addChallenges(program: Command, cli: Cli): void {
  const challenges = program.command("challenges").description("What answers challenges in DNS.");
  addDelegate(challenges, cli);
}
