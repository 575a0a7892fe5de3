import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { refuseMistypedCommand } from "../mistypedCommand.ts";
import { addPageOptions, type PageOptions, pageWish } from "../pageOptions.ts";
import { renderCertificate, renderCertificates } from "../render/certificates.ts";
import { addDefinitionCommands } from "./definitions.ts";

export function addCertificates(program: Command, cli: Cli): void {
  const certificates = program.command("certificates").description("What expires when, and what the database defines.");
  const command = certificates
    .command("list", { isDefault: true })
    .description(
      "What expires when, where it is deployed and what is proved live; with NAME also what each target holds and " +
        "each address serves. `list` may be left out.",
    )
    .argument("[NAME]", "a certificate of the configuration")
    .option("--owner <owner>", "only those that this owner answers for")
    .option("--team <team>", "only those that this team answers for")
    .option("--label <key=value>", "only those with this label");
  addPageOptions(command);
  refuseMistypedCommand(certificates, command);
  addDefinitionCommands(certificates, cli);
  performAnywhere<Wanted>(command, cli, async ({ args: [name], options, output, desk }) => {
    const { owner, team, label } = options;
    const report = await desk.certificates({ name: name ?? null, ...pageWish(options), owner, team, label });
    output.report(report, (_, screen) => {
      const [entry] = report.certificates;
      return name === undefined || entry === undefined
        ? renderCertificates(report, screen)
        : renderCertificate(entry, report.at, screen);
    });
    return "ok";
  });
}

interface Wanted extends PageOptions {
  readonly owner?: string;
  readonly team?: string;
  readonly label?: string;
}
