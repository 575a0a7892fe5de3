import type { Command } from "commander";
import { acceptConfigured, auditReport, auditReportOf } from "../../compose/index.ts";
import { isWhole } from "../../reports/audit.ts";
import { type Cli, perform, performAnywhere } from "../command.ts";
import { confirm } from "../confirm.ts";
import { interruptible } from "../interruptible.ts";
import { renderAccepted, renderAudit } from "../render/audit.ts";
import { requestedBy } from "../requestedBy.ts";

const HEAD = "also check that the history still has this event, as an earlier run printed it";

interface AcceptOptions {
  readonly head?: string;
  readonly reason: string;
  readonly yes?: boolean;
  readonly input: boolean;
}

export function addAudit(program: Command, cli: Cli): void {
  const audit = program.command("audit").description("Prove that the history is as renewd wrote it.");
  const verify = audit
    .command("verify")
    .description(
      "Check every event and every row that workers obey against its seal, while workers continue. " +
        "Names what was altered, removed or added.",
    )
    .option("--head <number:seal>", HEAD);
  performAnywhere<{ readonly head?: string }>(verify, cli, ({ output, options, desk }) =>
    interruptible(async (signal) => {
      const report = await desk.audit(options.head ?? null, signal);
      output.report(report, renderAudit);
      return isWhole(report) ? "ok" : "wrong";
    }),
  );
  const accept = audit
    .command("accept")
    .description(
      "Say that what `audit verify` finds was looked into: retention goes on, and later audits list it as accepted. " +
        "It is recorded for good, and no worker obeys an altered row.",
    )
    .requiredOption("--reason <text>", "what happened, kept in the history")
    .option("--head <number:seal>", HEAD)
    .option("--yes", "do not ask");
  perform<AcceptOptions>(accept, cli, ({ output, configFile, options: { head, reason, yes = false, input } }) =>
    interruptible(async (signal) => {
      const found = await auditReport(configFile, head ?? null, signal);
      if (!isWhole(found)) {
        output.note(renderAudit(found, { width: 80, colours: false }));
        await confirm("Accept all of this?", { yes, input });
      }
      const request = { head, reason, by: requestedBy() };
      const report = isWhole(found) ? found : await auditReportOf(await acceptConfigured(configFile, request, signal));
      output.report(report, renderAccepted);
      return "ok";
    }),
  );
}
