import type { Command } from "commander";
import { labelTexts } from "../../domain/responsibility.ts";
import type { CertificatesReport } from "../../reports/certificates.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { refuseMistypedCommand } from "../mistypedCommand.ts";
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
  refuseMistypedCommand(certificates, command);
  addDefinitionCommands(certificates, cli);
  performAnywhere<Wanted>(command, cli, async ({ args: [name], options, output, desk }) => {
    const report = selected(await desk.certificates(name ?? null), options);
    output.report(report, (_, screen) => {
      const [entry] = report.certificates;
      return name === undefined || entry === undefined
        ? renderCertificates(report, screen)
        : renderCertificate(entry, report.at, screen);
    });
    return "ok";
  });
}

interface Wanted {
  readonly owner?: string;
  readonly team?: string;
  readonly label?: string;
}

function selected(report: CertificatesReport, { owner, team, label }: Wanted): CertificatesReport {
  if ([owner, team, label].every((each) => each === undefined)) return report;
  const certificates = report.certificates.filter(
    ({ responsibility }) =>
      (owner === undefined || responsibility.owner === owner) &&
      (team === undefined || responsibility.team === team) &&
      (label === undefined || labelTexts(responsibility).includes(label)),
  );
  // Nobody answers for what left the configuration.
  return { ...report, certificates, unmanaged: [] };
}
