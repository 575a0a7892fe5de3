import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { renderCertificate, renderCertificates } from "../render/certificates.ts";

export function addCertificates(program: Command, cli: Cli): void {
  const command = program
    .command("certificates")
    .description(
      "What expires when, where it is deployed and what is proved live; with NAME also what each target holds and " +
        "each address serves.",
    )
    .argument("[NAME]", "a certificate of the configuration");
  performAnywhere(command, cli, async ({ args: [name], output, desk }) => {
    const report = await desk.certificates(name ?? null);
    output.report(report, (_, screen) => {
      const [entry] = report.certificates;
      return name === undefined || entry === undefined
        ? renderCertificates(report, screen)
        : renderCertificate(entry, report.at, screen);
    });
    return "ok";
  });
}
