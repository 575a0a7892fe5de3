import type { Command } from "commander";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { renderWatched, renderWatchedOne } from "../render/watched.ts";

export function addWatched(program: Command, cli: Cli): void {
  const command = program
    .command("watched")
    .description(
      "Endpoints whose certificates somebody else renews (`watch:` in the configuration): what they serve and when it " +
        "ends, worst first; with NAME also what each address serves.",
    )
    .argument("[NAME]", "a watched endpoint");
  performAnywhere(command, cli, async ({ args: [name], output, desk }) => {
    const report = await desk.watched();
    const endpoints = name === undefined ? report.endpoints : report.endpoints.filter((each) => each.name === name);
    const [one] = endpoints;
    if (name !== undefined && one === undefined)
      throw new RenewalError(
        "request.invalid",
        `"${name.slice(0, 80)}" is no watched endpoint: see \`renewd watched\``,
      );
    output.report({ ...report, endpoints }, (shown, screen) =>
      name === undefined || one === undefined ? renderWatched(shown, screen) : renderWatchedOne(one, shown.at, screen),
    );
    return "ok";
  });
}
