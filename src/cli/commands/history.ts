import { type Command, InvalidArgumentError } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { renderHistory } from "../render/history.ts";

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
  performAnywhere<Options>(command, cli, async ({ args: [name], options, output, desk }) => {
    const { since = null, failed = false, limit } = options;
    output.report(await desk.history({ certificate: name ?? null, since, failed, limit }), renderHistory);
    return "ok";
  });
}

function limitOption(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX) throw new InvalidArgumentError(`It must be a number from 1 to ${LIMIT_MAX}.`);
  return limit;
}
