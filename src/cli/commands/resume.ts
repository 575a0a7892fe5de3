import type { Command } from "commander";
import { openContext } from "../../compose/index.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, certificateNamed, perform } from "../command.ts";
import { heldRenewal, resumeCertificate, resumeRenewal } from "../doors.ts";
import { reportRenewal, type WaitOptions, withWait } from "../renewalOutput.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";

/** `renewd resume --json` of a certificate without a held renewal. */
export interface ResumeReport {
  readonly version: 1;
  readonly certificate: string;
  /** The renewal in flight that makes its next attempt now; null: none is in flight. */
  readonly renewalId: string | null;
}

export function addResume(program: Command, cli: Cli): void {
  const command = program
    .command("resume")
    .description(
      "End what keeps a certificate waiting for a person: a held renewal tries its failed wave again; without " +
        "one, a pause or quarantine ends and the back-off is forgotten.",
    )
    .argument("<NAME>", "a certificate of the configuration, or the id of its held renewal");
  perform<WaitOptions>(withWait(command), cli, async ({ args: [of = ""], options, output, configFile }) => {
    await using app = await openContext(configFile, { log: silentLog });
    if ((await heldRenewal(app.context, of)) !== null) {
      return await reportRenewal(
        app,
        await resumeRenewal(app.context, { of, why: null, by: requestedBy() }),
        options,
        output,
      );
    }
    certificateNamed(app.config.certificates, of);
    const hurried = await resumeCertificate(app.context, { of, why: null, by: requestedBy() });
    const report: ResumeReport = { version: 1, certificate: of, renewalId: hurried?.id ?? null };
    const next = hurried === null ? "the planner decides at its next tick" : `renewal ${hurried.id} goes on now`;
    output.report(report, () => `${inert(of)} is resumed; ${next}`);
    return "ok";
  });
}
