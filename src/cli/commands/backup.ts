import type { Command } from "commander";
import { backupConfigured } from "../../compose/index.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { rowsSentence } from "../render/rows.ts";

/** `renewd backup --json`. */
export interface BackupDocument {
  readonly version: 1;
  readonly file: string;
  readonly bytes: number;
  readonly store: string;
  /** Of the master key that opens it. */
  readonly masterKeyId: string;
  readonly rows: Readonly<Record<string, number>>;
}

export function addBackup(program: Command, cli: Cli): void {
  const command = program
    .command("backup")
    .description(
      "Write the whole database into one file, sealed under the master key, while workers go on. The master key " +
        "itself is not in it: keep it apart.",
    )
    .argument("<FILE>", "must not exist yet")
    .option("--force", "replace the file");
  perform<{ readonly force?: boolean }>(command, cli, ({ args: [file = ""], options, output, configFile }) =>
    interruptible(async (signal) => {
      const { keyId, ...backup } = await backupConfigured({ configFile, file }, options.force ?? false, signal);
      const report: BackupDocument = { version: 1, ...backup, masterKeyId: keyId };
      output.report(report, () => `${inert(backup.file)}: ${backup.bytes} bytes with ${rowsSentence(backup.rows)}`);
      output.note(`it opens only with the master key with id ${keyId}: keep a copy of that key somewhere else`);
      return "ok";
    }),
  );
}
