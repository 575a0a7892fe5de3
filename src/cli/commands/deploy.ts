import type { Command } from "commander";
import { openContext } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, certificateNamed, perform } from "../command.ts";
import { redeploy } from "../doors.ts";
import { reportRenewal, type WaitOptions, withWait } from "../renewalOutput.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";

interface Options extends WaitOptions {
  readonly target?: readonly string[];
  readonly generation?: string;
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
  perform<Options>(withWait(command), cli, async ({ args: [name = ""], options, output, configFile }) => {
    const generation = generationOf(options.generation);
    await using app = await openContext(configFile, { log: silentLog });
    certificateNamed(app.config.certificates, name);
    const renewal = await redeploy(app.context, {
      certificate: name,
      targets: options.target ?? [],
      generation,
      by: requestedBy(),
    });
    return await reportRenewal(app, renewal, options, output);
  });
}

function generationOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new RenewalError("request.invalid", "--generation: must be a number such as 12; `renewd show NAME` lists them");
}
