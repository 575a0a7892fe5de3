import type { Command } from "commander";
import { restoreConfigured } from "../../compose/index.ts";
import { inert } from "../../domain/text.ts";
import { iso, spoken } from "../../reports/instant.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { rowsSentence } from "../render/rows.ts";

/** `renewd restore --json`. */
export interface RestoreDocument {
  readonly version: 1;
  readonly store: string;
  readonly backupMadeAt: string;
  /** Renewals that were in flight when the backup was made; the planner starts what is still needed again. */
  readonly cancelledRenewals: number;
  readonly rows: Readonly<Record<string, number>>;
}

export function addRestore(program: Command, cli: Cli): void {
  const command = program
    .command("restore")
    .description(
      "Fill the configured, empty database from a backup. Before anything is deployed again, the planner checks " +
        "what the endpoints serve.",
    )
    .argument("<FILE>", "made by `renewd backup`");
  perform(command, cli, ({ args: [file = ""], output, configFile }) =>
    interruptible(async (signal) => {
      const { backupMadeAt, ...restored } = await restoreConfigured({ configFile, file }, signal);
      const report: RestoreDocument = { version: 1, ...restored, backupMadeAt: iso(backupMadeAt) };
      output.report(
        report,
        () =>
          `${inert(restored.store)}: restored as of ${spoken(report.backupMadeAt)} with ${rowsSentence(restored.rows)}`,
      );
      if (restored.cancelledRenewals > 0)
        output.note(
          restored.cancelledRenewals === 1
            ? "1 renewal that was in flight then is cancelled"
            : `${restored.cancelledRenewals} renewals that were in flight then are cancelled`,
        );
      output.note(
        "start the workers: they check every endpoint first, and never put an older certificate over a newer; see " +
          "`renewd plan`",
      );
      return "ok";
    }),
  );
}
