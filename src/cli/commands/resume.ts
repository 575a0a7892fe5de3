import type { Command } from "commander";
import { openReader } from "../../compose/index.ts";
import { resume } from "../../renewal/pause.ts";
import { type Cli, certificateNamed, perform } from "../call.ts";
import { inert } from "../terminal/text.ts";

/** `renewd resume --json`. */
export interface ResumeReport {
  readonly version: 1;
  readonly certificate: string;
}

export function addResume(program: Command, cli: Cli): void {
  const command = program
    .command("resume")
    .description("End a pause or quarantine and forget the back-off: the planner looks at the certificate at its next tick.")
    .argument("<NAME>", "a certificate of the configuration");
  perform(command, cli, async ({ args: [name = ""], output, configFile }) => {
    await using reader = await openReader(configFile);
    certificateNamed(reader.config.certificates, name);
    await resume(reader.store, name, reader.clock.now());
    const report: ResumeReport = { version: 1, certificate: name };
    output.report(report, () => `${inert(name)} is resumed; the planner looks at it at its next tick`);
    return "ok";
  });
}
