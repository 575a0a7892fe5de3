import { Argument, type Command } from "commander";
import { type Cli, perform } from "../command.ts";
import { completionScript } from "../doors.ts";

/** The only names there are; `completion.ts` is loaded when one of them is asked for. */
const SHELLS = ["bash", "zsh", "fish"] as const;

export function addCompletion(program: Command, cli: Cli): void {
  const command = program
    .command("completion")
    .description(
      "Print a completion script: `source <(renewd completion bash)`, the same for zsh, or `renewd completion fish | source`.",
    )
    .addArgument(new Argument("<shell>", "for which shell").choices(SHELLS));
  perform(command, cli, async ({ args }) => {
    const shell = SHELLS.find((each) => each === args[0]) ?? "bash";
    cli.stdout.write(await completionScript(shell, program));
    return "ok";
  });
}
