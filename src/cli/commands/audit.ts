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
      "Check every event of the history against its seal and its number, while workers go on. Names what was altered, removed or added.",
    );
  perform(verify, cli, ({ output, configFile }) =>
    interruptible(async (signal) => {
      const report: AuditReport = { version: 1, ...(await auditConfigured(configFile, signal)) };
      output.report(report, renderAudit);
      return isWhole(report) ? "ok" : "wrong";
    }),
  );
}
