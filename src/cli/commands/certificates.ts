import type { Command } from "commander";
import { openViewer } from "../../compose/index.ts";
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
    await using viewer = await openViewer(configFile);
    const { store, certificates, clock, observeMs } = viewer;
    const report = await certificatesReport(store, chosen(certificates, name), clock.now(), observeMs);
    output.report(report, (_, screen) => {
      const [entry] = report.certificates;
      return name === undefined || entry === undefined
        ? renderCertificates(report, screen)
        : renderCertificate(entry, report.at, screen);
    });
    return "ok";
  });
}
