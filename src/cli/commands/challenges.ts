import type { Command } from "commander";
import { RenewalError } from "../../domain/errors.ts";
import type { ChallengesReport } from "../../reports/challenges.ts";
import { spoken } from "../../reports/instant.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { refuseMistypedCommand } from "../mistypedCommand.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { addDelegate } from "./delegate.ts";
import { addPersist } from "./persist.ts";

interface Options {
  readonly own?: boolean;
  readonly remove?: string;
}

const TIMEOUT_MS = 300_000;

export function addChallenges(program: Command, cli: Cli): void {
  const challenges = program.command("challenges").description("What answers challenges in DNS.");
  addList(challenges, cli);
  addDelegate(challenges, cli);
  addPersist(challenges, cli);
}

function addList(challenges: Command, cli: Cli): void {
  const command = challenges
    .command("list", { isDefault: true })
    .description(
      "What is published in DNS for challenges: records that renewd wrote down, and foreign values at the same " +
        "names, which other clients left or are using.",
    )
    .argument("[NAME]", "a certificate of the configuration (default: all)")
    .option("--own", "only what renewd wrote down; asks no DNS provider")
    .option("--remove <value>", "remove this foreign value, or `all` of them, from the names of NAME");
  refuseMistypedCommand(challenges, command);
  performAnywhere<Options>(command, cli, async ({ args: [name], options, output, desk }) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    if (options.remove !== undefined) {
      if (name === undefined) throw new RenewalError("request.invalid", "--remove needs the certificate's NAME");
      for (const { name: at, value } of await desk.removeForeign({ certificate: name, value: options.remove }, signal))
        output.note(`removed ${value} at ${at}`);
    }
    const report = await desk.challenges({ certificate: name ?? null, own: options.own ?? false }, signal);
    output.report(report, render);
    return "ok";
  });
}

const STATE = {
  publishing: { text: "publishing", style: "caution" },
  published: "published",
  removing: { text: "removing", style: "caution" },
  foreign: { text: "foreign", style: "caution" },
} as const satisfies Record<string, Cell>;

function render({ records, unknown }: ChallengesReport, screen: Screen): string {
  const notes = unknown.map(({ name, solver, why }) => `${name}: solver ${solver} could not be asked: ${why}`);
  if (records.length === 0) return ["nothing is published in DNS", ...notes].join("\n");
  const columns = [
    { title: "NAME", widthMin: 20 },
    { title: "VALUE", widthMin: 12 },
    { title: "STATE" },
    { title: "CERTIFICATE", widthMin: 10 },
    { title: "SINCE" },
    { title: "", widthMin: 20, wraps: true },
  ];
  const rows = records.map(({ name, value, state, certificate, client, createdAt, error }): Cell[] => [
    name,
    value,
    STATE[state],
    client === null ? (certificate ?? "") : `for client ${client}`,
    createdAt === null ? "" : spoken(createdAt),
    error ?? "",
  ]);
  return [...renderTable(columns, rows, screen), ...notes].join("\n");
}
