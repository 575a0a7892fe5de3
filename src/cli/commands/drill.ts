import { setTimeout as delay } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { DrillStartReport } from "../../actions/drill.ts";
import { DRILL_SCENARIOS, type DrillScenario } from "../../domain/drill.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { durationOption } from "../../domain/writtenTime.ts";
import type { DrillsReport } from "../../reports/drills.ts";
import { spoken } from "../../reports/instant.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { confirm } from "../confirm.ts";
import type { Desk } from "../desk/desk.ts";
import { renderDrills } from "../render/drills.ts";
import { wavesOption } from "./replace.ts";

const POLL_MS = 500;

interface Options {
  readonly label?: readonly string[];
  readonly as: DrillScenario;
  readonly issuer?: string;
  readonly waves?: readonly number[];
  readonly deadline: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly input: boolean;
  readonly wait?: boolean;
  readonly timeout: string;
  readonly list?: boolean;
}

export function addDrill(program: Command, cli: Cli): void {
  const command = program
    .command("drill")
    .description(
      "Replace certificates as if they had just been revoked or had expired, and measure how long each takes until " +
        "it is proved live. With --list: the drills so far, each compared with the one before.",
    )
    .argument("[NAME...]", "certificates of the configuration; with --list, a drill's id or the beginning of it")
    .option("--label <key=value>", "those with this label; may be repeated, and then all must be there", labelOption)
    .addOption(
      new Option("--as <scenario>", "what to pretend").choices(DRILL_SCENARIOS).default(DRILL_SCENARIOS[0], "revoked"),
    )
    .option("--issuer <name>", "order from this issuer, which their configuration must name, such as a staging CA")
    .option("--waves <sizes>", "such as 1,20: each wave begins when all before are proved live", wavesOption)
    .option("--deadline <when>", "what is not proved by then was too slow: 1h, or an instant", "1h")
    .option("--reason <text>", "why, for the history")
    .option("--dry-run", "show whom it concerns and record nothing")
    .option("--yes", "do not ask")
    .option("--wait", "wait for its end and show it; exit code 0 only if every certificate was proved")
    .option("--timeout <duration>", "stop waiting after this long; the drill goes on", "1h")
    .option("--list", "show the drills so far");
  performAnywhere<Options>(command, cli, async ({ args, options, output, desk }) => {
    if (options.list) {
      output.report(await desk.drills(args[0] ?? null), renderDrills);
      return "ok";
    }
    const timeoutMs = durationOption("--timeout", options.timeout);
    const { label: labels = [], as: scenario, issuer = null, waves = [], deadline, reason = null } = options;
    const request = { ...{ certificates: args, labels, scenario, issuer, waves, deadline }, dryRun: true };
    const draft = await desk.drill(request, reason);
    for (const { certificate, why } of draft.refused) output.note(`${certificate} is left out: ${why}`);
    if (options.dryRun) {
      output.report(draft, text);
      return "ok";
    }
    if (draft.certificates.length === 0) throw new RenewalError("request.invalid", "no certificate can be replaced");
    await confirm(question(draft), { yes: options.yes ?? false, input: options.input });
    const started = await desk.drill({ ...request, dryRun: false }, reason);
    if (!options.wait) {
      output.report(started, text);
      return "ok";
    }
    output.progress(text(started));
    const report = await ended(desk, started.id ?? "", timeoutMs);
    output.report(report, renderDrills);
    return report.drills.every(({ proved, certificates }) => proved === certificates) ? "ok" : "wrong";
  });
}

function labelOption(text: string, before: readonly string[] = []): string[] {
  if (!/^[^=\s]+=\S*$/.test(text)) throw new InvalidArgumentError("It must be key=value.");
  return [...before, text];
}

function counted(names: readonly string[]): string {
  return `${names.length} certificate${names.length === 1 ? "" : "s"}`;
}

/** A real certificate is ordered and put live for each. */
function question({ certificates, issuer }: DrillStartReport): string {
  const from = issuer === null ? "from their own issuers" : `from issuer ${inert(issuer)}`;
  return `Order new certificates ${from} and put them live in place of ${counted(certificates)}?`;
}

function text({ id, certificates, deadline, scenario }: DrillStartReport): string {
  const what = `${counted(certificates)} as if ${scenario === "expired" ? "expired" : "revoked"}`;
  if (id === null) return [`would replace ${what} until ${spoken(deadline)}`, ...certificates.map(inert)].join("\n");
  return `${id}  replaces ${what} until ${spoken(deadline)}; see \`renewd drill --list\``;
}

/** As far as it has come when the time is up. */
async function ended(desk: Desk, id: string, timeoutMs: number): Promise<DrillsReport> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const report = await desk.drills(id);
    if (report.drills.every(({ finishedAt }) => finishedAt !== null) || performance.now() > end) return report;
    await delay(POLL_MS);
  }
}
