import type { Command } from "commander";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { reportRenewal, type WaitOptions, withWait } from "../renewalOutput.ts";

interface Options extends WaitOptions {
  readonly target?: readonly string[];
  readonly generation?: string;
  readonly reason?: string;
}

export function addDeploy(program: Command, cli: Cli): void {
  const command = program
    .command("deploy")
    .description(
      "Deploy a certificate that exists once more and prove it live; nothing is issued. A pair never proved " +
        "before goes wave by wave.",
    )
    .argument("<NAME>", "a certificate of the configuration")
    .option("--target <names...>", "only to these of its targets")
    .option(
      "--generation <number>",
      "an earlier generation, which comes back everywhere as the next one; default: the latest",
    );
  command.option("--reason <text>", "why, for the history");
  performAnywhere<Options>(withWait(command), cli, async ({ args: [name = ""], options, output, desk }) => {
    const generation = generationOf(options.generation);
    const request = { certificate: name, targets: options.target ?? [], generation };
    return reportRenewal(desk, await desk.deploy(request, options.reason ?? null), options, output);
  });
}

function generationOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new RenewalError("request.invalid", "--generation: must be a number such as 12; `renewd show NAME` lists them");
}
