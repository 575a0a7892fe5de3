import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { ReplaceReport } from "../../actions/replace.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { spoken } from "../../reports/instant.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { renderReplacements } from "../render/replacements.ts";

const SERIALS_SHOWN = 5;

interface Options {
  readonly issuer?: string;
  readonly serials?: string;
  readonly san?: string;
  readonly intermediate?: string;
  readonly profile?: string;
  readonly deadline: string;
  readonly to?: string;
  readonly waves?: readonly number[];
  readonly dryRun?: boolean;
  readonly reason?: string;
}

export function addReplace(program: Command, cli: Cli): void {
  const replace = program
    .command("replace")
    .description("Replace many certificates against a deadline, ahead of routine work.");
  addStart(replace, cli);
  addBoard(replace, cli);
  addCancel(replace, cli);
}

function addStart(replace: Command, cli: Cli): void {
  const command = replace
    .command("start", { isDefault: true })
    .description(
      "Have every selected certificate replaced: ahead of routine work, within the CAs' limits. Planners work it " +
        "off; nothing need stay running here. `start` may be left out.",
    )
    .option(
      "--issuer <name>",
      "those of this configured issuer; of any other name, those signed by a CA certificate whose name contains it",
    )
    .option("--serials <file>", "those whose serial is in the file, one a line in hex")
    .option("--san <glob>", "those with a name such as *.shop.example.org; * matches any characters")
    .option("--intermediate <fingerprint>", "those whose chain holds the certificate of this SHA-256 fingerprint")
    .option("--profile <name>", "those whose configuration asks for this profile of the CA")
    .option("--to <issuer>", "order from this issuer, which their configuration must name")
    .option(
      "--waves <sizes>",
      "such as 1,20: one first, then twenty, then the rest; each wave begins when all before are proved live",
      wavesOption,
    )
    .option("--reason <text>", "why, for the history")
    .option("--dry-run", "show whom it concerns and record nothing")
    .requiredOption("--deadline <when>", "24h, 5d or a date such as 2026-12-01 (UTC)");
  performAnywhere<Options>(command, cli, async ({ options, output, desk }) => {
    const { issuer = null, san = null, intermediate = null, profile = null, to = null, deadline } = options;
    const serials = options.serials === undefined ? null : await readSerials(options.serials);
    const { waves = [], dryRun = false } = options;
    const request = { issuer, serials, san, intermediate, profile, to, waves, deadline, dryRun };
    const report = await desk.replace(request, options.reason ?? null);
    for (const { certificate, why } of report.refused) output.note(`${certificate} is left out: ${why}`);
    if (report.unknownSerials.length > 0) output.note(unknown(report.unknownSerials));
    output.report(report, () => text(report));
    return "ok";
  });
}

export function wavesOption(text: string): number[] {
  if (!/^[1-9]\d{0,5}(,[1-9]\d{0,5}){0,9}$/.test(text))
    throw new InvalidArgumentError("It must be up to ten numbers from 1, such as 1,20.");
  return text.split(",").map(Number);
}

function unknown(serials: readonly string[]): string {
  const shown = `${serials.slice(0, SERIALS_SHOWN).join(", ")}${serials.length > SERIALS_SHOWN ? ", …" : ""}`;
  const are = serials.length === 1 ? "is" : "are";
  return `${serials.length} of the serials ${are} not in use here, or not any more: ${shown}`;
}

function text({ id, certificates, deadline }: ReplaceReport): string {
  const count = `${certificates.length} certificate${certificates.length === 1 ? "" : "s"}`;
  if (id === null) return [`would replace ${count} until ${spoken(deadline)}`, ...certificates.map(inert)].join("\n");
  return `${id}  replaces ${count} until ${spoken(deadline)}; see \`renewd replace status\``;
}

function addBoard(replace: Command, cli: Cli): void {
  const command = replace
    .command("status")
    .description(
      "The progress of replacements: done, in flight, waiting on what, and when they are projected to be finished.",
    )
    .argument("[ID]", "one replacement, or the beginning of its id");
  performAnywhere(command, cli, async ({ args: [id], output, desk }) => {
    output.report(await desk.replacements(id ?? null), renderReplacements);
    return "ok";
  });
}

function addCancel(replace: Command, cli: Cli): void {
  const command = replace
    .command("cancel")
    .description("Replace no more for it; renewals in flight go on.")
    .argument("<ID>", "a replacement, or the beginning of its id")
    .option("--reason <text>", "why, for the history");
  performAnywhere<{ readonly reason?: string }>(command, cli, async ({ args: [id = ""], options, output, desk }) => {
    output.report(await desk.cancelReplacement(id, options.reason ?? null), (done) => `${done.id} is cancelled`);
    return "ok";
  });
}

async function readSerials(path: string): Promise<string[]> {
  const content = await readFile(path, "utf8").catch((cause: unknown) => {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw new RenewalError("request.invalid", `--serials: cannot read ${path} (${reason})`, { cause });
  });
  const lines = content.split(/\s+/).filter((line) => line !== "");
  if (lines.length === 0) throw new RenewalError("request.invalid", `--serials: ${path} is empty`);
  return lines;
}
