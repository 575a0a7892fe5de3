import type { Command } from "commander";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, type CommandCall, performAnywhere } from "../command.ts";
import { comparePlans } from "../doors.ts";
import { addPageOptions, type PageOptions, pageWish } from "../pageOptions.ts";
import { renderPlan } from "../render/plan.ts";
import { renderPlanAgainst, renderPlanMarkdown } from "../render/planAgainst.ts";

interface Options extends PageOptions {
  readonly against?: string;
  readonly markdown?: boolean;
}

export function addPlan(program: Command, cli: Cli): void {
  const command = program
    .command("plan")
    .description(
      "Why each certificate is due, or why not, what holds it back and when the planner comes back to it. With " +
        "--against what a change of the configuration does, from the two files alone: no database, secret or network. " +
        "Changes nothing.",
    )
    .argument("[NAME]", "a certificate of the configuration")
    .option(
      "--against <file>",
      "the configuration before the change; its relative paths count from the new one's directory",
    )
    .option("--markdown", "with --against: as a table for a pull request");
  addPageOptions(command);
  performAnywhere<Options>(command, cli, async (call) => {
    const { args, options, output, desk } = call;
    const [name] = args;
    if (options.against !== undefined && desk.server !== null)
      throw new RenewalError("request.invalid", "--against: compares two files of this machine, without --server");
    if (options.against !== undefined) return compare(call, options.against);
    if (options.markdown) throw new RenewalError("request.invalid", "--markdown: is for --against");
    output.report(await desk.plan({ name: name ?? null, ...pageWish(options) }), renderPlan);
    return "ok";
  });
}

async function compare(
  { args: [name], options, output, configFile }: CommandCall<Options>,
  against: string,
): Promise<"ok"> {
  const all = await comparePlans(against, configFile);
  const certificates = all.certificates.filter(({ certificate }) => name === undefined || certificate === name);
  output.report({ ...all, certificates }, options.markdown ? renderPlanMarkdown : renderPlanAgainst);
  return "ok";
}
