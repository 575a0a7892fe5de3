import type { Command } from "commander";
import { auditConfigured } from "../../compose/index.ts";
import { type AuditReport, isWhole } from "../../reports/audit.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { renderAudit } from "../render/audit.ts";

export function addAudit(program: Command, cli: Cli): void {
  const audit = program.command("audit").description("Prove that the history is as renewd wrote it.");
  const verify = audit
    .command("verify")
    .description(
      "Check every event and every row that workers obey against its seal, while workers continue. " +
        "Names what was altered, removed or added.",
    )
    .option("--head <number:seal>", "also check that the history still has this event, as an earlier run printed it");
  perform<{ readonly head?: string }>(verify, cli, ({ output, configFile, options }) =>
    interruptible(async (signal) => {
      const report: AuditReport = { version: 1, ...(await auditConfigured(configFile, options.head, signal)) };
      output.report(report, renderAudit);
      return isWhole(report) ? "ok" : "wrong";
    }),
  );
}
