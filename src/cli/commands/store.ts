import type { Command } from "commander";
import { copyConfigured, migrateConfigured, reopenConfigured } from "../../compose/index.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { rowsSentence } from "../render/rows.ts";

/** `renewd store migrate --json`. */
export interface StoreMigrateReport {
  readonly version: 1;
  readonly store: string;
  /** Schema versions; 0: there were no tables. */
  readonly before: number;
  readonly after: number;
}

/** `renewd store copy --json`. */
export interface StoreCopyReport {
  readonly version: 1;
  readonly from: string;
  readonly to: string;
  readonly rows: Readonly<Record<string, number>>;
}

/** `renewd store reopen --json`. */
export interface StoreReopenReport {
  readonly version: 1;
  readonly store: string;
  /** False: it was in use already. */
  readonly reopened: boolean;
}

interface CopyOptions {
  readonly toConfig: string;
  readonly force?: boolean;
}

export function addStore(program: Command, cli: Cli): void {
  const store = program.command("store").description("Migrate the database, or copy it into another one.");
  addMigrate(store, cli);
  addCopy(store, cli);
  addReopen(store, cli);
}

function addMigrate(store: Command, cli: Cli): void {
  const command = store
    .command("migrate")
    .description("Bring the database to this release's schema, as the first worker to start does anyway.");
  perform(command, cli, async ({ output, configFile }) => {
    const report: StoreMigrateReport = { version: 1, ...(await migrateConfigured(configFile)) };
    const { before, after } = report;
    const change = before === after ? `${after}, nothing to do` : `${before} → ${after}`;
    output.report(report, () => `${inert(report.store)}: schema version ${change}`);
    return "ok";
  });
}

function addCopy(store: Command, cli: Cli): void {
  const command = store
    .command("copy")
    .description(
      "Copy everything, history and sealed keys included, into the empty database of another configuration with " +
        "the same master key. Stop the workers first. Afterwards the source refuses to be used.",
    )
    .requiredOption("--to-config <file>", "configuration of the destination")
    .option("--force", "copy even though other processes use the source, and leave that in use");
  perform<CopyOptions>(command, cli, ({ options, output, configFile }) =>
    interruptible(async (signal) => {
      const report: StoreCopyReport = {
        version: 1,
        ...(await copyConfigured(
          { fromConfigFile: configFile, toConfigFile: options.toConfig, evenIfUsed: options.force ?? false },
          signal,
        )),
      };
      output.report(report, () => `${inert(report.from)} → ${inert(report.to)}: ${rowsSentence(report.rows)}`);
      output.note(
        options.force === true
          ? `start the workers with ${options.toConfig} only: two installations that go on from one state would both renew`
          : `start the workers with ${options.toConfig}; the source is out of use until \`renewd store reopen\``,
      );
      return "ok";
    }),
  );
}

function addReopen(store: Command, cli: Cli): void {
  const command = store
    .command("reopen")
    .description("Take a database back into use that was copied into another one. Stop whatever uses the copy first.");
  perform(command, cli, async ({ output, configFile }) => {
    const report: StoreReopenReport = { version: 1, ...(await reopenConfigured(configFile)) };
    output.report(
      report,
      ({ store: place, reopened }) => `${inert(place)}: ${reopened ? "in use again" : "was in use already"}`,
    );
    return "ok";
  });
}
