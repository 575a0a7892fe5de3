import type { Command } from "commander";
import { openReader } from "../../compose/index.ts";
import { type Cli, chosen, perform } from "../command.ts";
import { certificatesReport } from "../doors.ts";
import { renderCertificate, renderCertificates } from "../render/certificates.ts";

export function addCertificates(program: Command, cli: Cli): void {
  const command = program
    .command("certificates")
    .description(
      "What expires when, where it is deployed and what is proved live; with NAME also what each target holds and " +
        "each address serves.",
    )
    .argument("[NAME]", "a certificate of the configuration");
  perform(command, cli, async ({ args: [name], output, configFile }) => {
    await using reader = await openReader(configFile);
    const report = await certificatesReport(reader.store, chosen(reader.config.certificates, name), reader.clock.now());
    output.report(report, (_, screen) => {
      const [entry] = report.certificates;
      return name === undefined || entry === undefined
        ? renderCertificates(report, screen)
        : renderCertificate(entry, report.at, screen);
    });
    return "ok";
  });
}
