import { type Command, InvalidArgumentError } from "commander";
import { openViewer } from "../../compose/index.ts";
import { suggestion } from "../../config/read/suggestions.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Store } from "../../domain/store.ts";
import { type Cli, perform } from "../command.ts";
import { historyReport } from "../doors.ts";
import { renderHistory } from "../render/history.ts";
import { pastOption } from "../timeOptions.ts";

const LIMIT_MAX = 1_000;

interface Options {
  readonly since?: string;
  readonly failed?: boolean;
  readonly limit: number;
}

export function addHistory(program: Command, cli: Cli): void {
  const command = program
    .command("history")
    .description("Renewals, newest first: why, how it ended, how long from detected to proved, serial, error.")
    .argument("[NAME]", "a certificate, also one that has left the configuration")
    .option("--since <when>", "only renewals started since: 7d, 12h or a date such as 2026-11-01 (UTC)")
    .option("--failed", "only renewals that did not succeed")
    .option("--limit <n>", `at most this many (1 to ${LIMIT_MAX})`, limitOption, 20);
  perform<Options>(command, cli, async ({ args: [name], options, output, configFile }) => {
    await using viewer = await openViewer(configFile);
    const now = viewer.clock.now();
    const since = options.since === undefined ? null : pastOption("--since", options.since, now);
    if (name !== undefined)
      await assertKnown(
        viewer.store,
        name,
        viewer.certificates.map((certificate) => certificate.name),
      );
    const query = { certificate: name ?? null, since, failed: options.failed ?? false, limit: options.limit };
    output.report(await historyReport(viewer.store, query, now), renderHistory);
    return "ok";
  });
}

/** A mistyped name must not look like a quiet past. */
async function assertKnown(store: Store, name: string, configured: readonly string[]): Promise<void> {
  if (configured.includes(name) || (await store.certificates.get(name)) !== null) return;
  throw new RenewalError(
    "request.invalid",
    `certificate "${name.slice(0, 80)}" is not known${suggestion(name, configured)}`,
  );
}

function limitOption(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX) throw new InvalidArgumentError(`It must be a number from 1 to ${LIMIT_MAX}.`);
  return limit;
}
