import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { openReader } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { canonicalSerial } from "../../domain/version.ts";
import type { Selection } from "../../renewal/rules/replacement.ts";
import { iso, spoken } from "../../reports/instant.ts";
import { type Cli, perform } from "../command.ts";
import { draftReplacement, replacementReport, startReplacement } from "../doors.ts";
import { renderReplacements } from "../render/replacements.ts";
import { futureOption } from "../timeOptions.ts";

/** `renewd replace --json`. */
export interface ReplaceReport {
  readonly version: 1;
  /** null: `--dry-run`. */
  readonly id: string | null;
  readonly deadline: string;
  readonly certificates: readonly string[];
  readonly refused: readonly { readonly certificate: string; readonly why: string }[];
  /** Serials of the file that no certificate in use has. */
  readonly unknownSerials: readonly string[];
}

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
    .option("--dry-run", "show whom it concerns and record nothing")
    .requiredOption("--deadline <when>", "24h, 5d or a date such as 2026-12-01 (UTC)");
  perform<Options>(command, cli, async ({ options, output, configFile }) => {
    await using reader = await openReader(configFile);
    const deadline = futureOption("--deadline", options.deadline, reader.clock.now());
    const issuer = options.to ?? null;
    if (issuer !== null && !reader.config.issuers.has(issuer))
      throw new RenewalError("request.invalid", `--to: there is no issuer "${issuer.slice(0, 80)}"`);
    const request = {
      selection: await selectionOf(options, (name) => reader.config.issuers.has(name)),
      described: describe(options),
      issuer,
      deadline,
      waves: options.waves ?? [],
    };
    const drafted = await draftReplacement(reader, request);
    const replacement = options.dryRun ? null : await startReplacement(reader, request, drafted);
    const report: ReplaceReport = {
      version: 1,
      id: replacement?.id ?? null,
      deadline: iso(deadline),
      certificates: drafted.members.map(({ certificate }) => certificate.name),
      refused: drafted.refused,
      unknownSerials: drafted.unknownSerials,
    };
    for (const { certificate, why } of drafted.refused) output.note(`${certificate} is left out: ${why}`);
    if (drafted.unknownSerials.length > 0) output.note(unknown(drafted.unknownSerials));
    output.report(report, () => text(report));
    return "ok";
  });
}

function wavesOption(text: string): number[] {
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
  perform(command, cli, async ({ args: [id], output, configFile }) => {
    await using reader = await openReader(configFile);
    output.report(await replacementReport(reader, id, reader.clock.now()), renderReplacements);
    return "ok";
  });
}

function addCancel(replace: Command, cli: Cli): void {
  const command = replace
    .command("cancel")
    .description("Replace no more for it; renewals in flight go on.")
    .argument("<ID>", "a replacement, or the beginning of its id");
  perform(command, cli, async ({ args: [id = ""], output, configFile }) => {
    await using reader = await openReader(configFile);
    const [board] = (await replacementReport(reader, id, reader.clock.now())).replacements;
    await reader.store.replacements.end(board?.id ?? "", reader.clock.now());
    output.report({ version: 1 as const, id: board?.id ?? null }, () => `${board?.id} is cancelled`);
    return "ok";
  });
}

async function selectionOf(
  { issuer, serials, san, intermediate, profile }: Options,
  isConfigured: (issuer: string) => boolean,
): Promise<Selection> {
  if ([issuer, serials, san, intermediate, profile].every((each) => each === undefined)) {
    throw new RenewalError(
      "request.invalid",
      "say which certificates: --issuer, --serials, --san, --intermediate or --profile",
    );
  }
  const fingerprint = intermediate?.replaceAll(":", "").toLowerCase();
  if (fingerprint !== undefined && !/^[0-9a-f]{64}$/.test(fingerprint))
    throw new RenewalError("request.invalid", "--intermediate: must be a SHA-256 fingerprint of 64 hex digits");
  return {
    ...(issuer !== undefined && (isConfigured(issuer) ? { issuer } : { signedBy: issuer })),
    ...(serials !== undefined && { serials: await readSerials(serials) }),
    ...(san !== undefined && { san }),
    ...(fingerprint !== undefined && { intermediate: fingerprint }),
    ...(profile !== undefined && { profile }),
  };
}

async function readSerials(path: string): Promise<ReadonlySet<string>> {
  const content = await readFile(path, "utf8").catch((cause: unknown) => {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw new RenewalError("request.invalid", `--serials: cannot read ${path} (${reason})`, { cause });
  });
  const lines = content.split(/\s+/).filter((line) => line !== "");
  const wrong = lines.find((line) => !/^[0-9a-f:]{1,80}$/i.test(line));
  if (lines.length === 0 || wrong !== undefined) {
    throw new RenewalError(
      "request.invalid",
      wrong === undefined ? `--serials: ${path} is empty` : `--serials: "${wrong.slice(0, 80)}" is no serial in hex`,
    );
  }
  return new Set(lines.map(canonicalSerial));
}

function describe(options: Options): string {
  const waves = options.waves === undefined ? [] : [`--waves ${options.waves.join(",")}`];
  const parts = (["issuer", "serials", "san", "intermediate", "profile", "to"] as const).flatMap((key) =>
    options[key] === undefined ? [] : [`--${key} ${options[key]}`],
  );
  return [...parts, ...waves].join(" ").slice(0, 500);
}
