import type { Command } from "commander";
import { certificateNamed } from "../../actions/context.ts";
import { openContext, openContextToLook } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { iso, spoken } from "../../reports/instant.ts";
import { type Cli, chosen, perform } from "../command.ts";
import { findForeignAnswers, removeForeignAnswers } from "../doors.ts";
import { silentLog } from "../silentLog.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { addDelegate } from "./delegate.ts";

/** `renewd challenges list --json`. */
export interface ChallengesReport {
  readonly version: 1;
  readonly records: readonly ChallengeEntry[];
  /** Names where the provider could not be asked. */
  readonly unknown: readonly { readonly name: string; readonly solver: string; readonly why: string }[];
}

export interface ChallengeEntry {
  /** `foreign`: no renewd wrote it down; it is never removed by itself. */
  readonly state: "publishing" | "published" | "removing" | "foreign";
  readonly name: string;
  readonly value: string;
  readonly zone: string | null;
  readonly solver: string;
  readonly certificate: string | null;
  readonly createdAt: string | null;
  /** Why the last removal failed. */
  readonly error: string | null;
}

interface Options {
  readonly own?: boolean;
  readonly remove?: string;
}

const RECORDS_MAX = 10_000;
const TIMEOUT_MS = 300_000;

export function addChallenges(program: Command, cli: Cli): void {
  const challenges = program.command("challenges").description("What answers challenges in DNS.");
  addList(challenges, cli);
  addDelegate(challenges, cli);
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
  perform<Options>(command, cli, async ({ args: [name], options, output, configFile }) => {
    const open = options.remove === undefined ? openContextToLook : openContext;
    await using app = await open(configFile, { log: silentLog });
    const { config, context } = app;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    if (options.remove !== undefined) {
      if (name === undefined) throw new RenewalError("request.invalid", "--remove needs the certificate's NAME");
      const certificate = certificateNamed(config.certificates, name);
      for (const { name: at, value } of await removeForeignAnswers(context, certificate, options.remove, signal))
        output.note(`removed ${value} at ${at}`);
    }
    const certificates = chosen(config.certificates, name);
    const own = (await app.store.dns.records.list(RECORDS_MAX)).filter(
      ({ certificate }) => name === undefined || certificate === name,
    );
    const foreign =
      options.own === true ? { found: [], unknown: [] } : await findForeignAnswers(context, certificates, signal);
    const report: ChallengesReport = {
      version: 1,
      records: [
        ...own.map((record): ChallengeEntry => {
          const { state, name: at, value, zoneName, solver, certificate, createdAt, errorMessage } = record;
          const times = { createdAt: iso(createdAt), error: errorMessage };
          return { state, name: at, value, zone: zoneName, solver, certificate, ...times };
        }),
        ...foreign.found.map(({ name: at, value, solver, certificate }): ChallengeEntry => {
          const none = { zone: null, createdAt: null, error: null };
          return { state: "foreign", name: at, value, solver, certificate, ...none };
        }),
      ],
      unknown: foreign.unknown.map(({ identifier, solver, why }) => ({ name: identifier, solver, why })),
    };
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
  const rows = records.map(({ name, value, state, certificate, createdAt, error }): Cell[] => [
    name,
    value,
    STATE[state],
    certificate ?? "",
    createdAt === null ? "" : spoken(createdAt),
    error ?? "",
  ]);
  return [...renderTable(columns, rows, screen), ...notes].join("\n");
}
