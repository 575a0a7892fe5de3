import { Command, CommanderError } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { problemsOf } from "../compose/index.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import { inertLines } from "../domain/text.ts";
import { type Cli, DEFAULT_CONFIG_FILES, type GlobalOptions, outputOf } from "./command.ts";
import { addAccount } from "./commands/account.ts";
import { addAcknowledge } from "./commands/acknowledge.ts";
import { addAlerts } from "./commands/alerts.ts";
import { addAudit } from "./commands/audit.ts";
import { addBackup } from "./commands/backup.ts";
import { addCertificates } from "./commands/certificates.ts";
import { addChallenges } from "./commands/challenges.ts";
import { addCheck } from "./commands/check.ts";
import { addCompletion } from "./commands/completion.ts";
import { addConfig } from "./commands/config.ts";
import { addDeploy } from "./commands/deploy.ts";
import { addDial } from "./commands/dial.ts";
import { addDiscover } from "./commands/discover.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addDrill } from "./commands/drill.ts";
import { addErrors } from "./commands/errors.ts";
import { addHistory } from "./commands/history.ts";
import { addHorizon } from "./commands/horizon.ts";
import { addImport } from "./commands/import.ts";
import { addInit } from "./commands/init.ts";
import { addInventory } from "./commands/inventory.ts";
import { addChannels, addSolvers, addTargets } from "./commands/kinds.ts";
import { addLeftovers } from "./commands/leftovers.ts";
import { addNotify } from "./commands/notify.ts";
import { addOpen } from "./commands/open.ts";
import { addPause } from "./commands/pause.ts";
import { addPlan } from "./commands/plan.ts";
import { addRehearse } from "./commands/rehearse.ts";
import { addRenew } from "./commands/renew.ts";
import { addReplace } from "./commands/replace.ts";
import { addReport } from "./commands/report.ts";
import { addRestore } from "./commands/restore.ts";
import { addResume } from "./commands/resume.ts";
import { addRetry } from "./commands/retry.ts";
import { addRevoke } from "./commands/revoke.ts";
import { addRollback } from "./commands/rollback.ts";
import { addRun, addWorker } from "./commands/run.ts";
import { addScan } from "./commands/scan.ts";
import { addDiff, addServed } from "./commands/served.ts";
import { addShow } from "./commands/show.ts";
import { addStatus } from "./commands/status.ts";
import { addStore } from "./commands/store.ts";
import { addWatched } from "./commands/watched.ts";
import { EXIT, exitOf } from "./exit.ts";
import { inertJson } from "./terminal/text.ts";

/** In the order of `renewd --help`: what is used most comes first. */
const COMMANDS = [
  [
    "See:",
    [
      addStatus,
      addAlerts,
      addHorizon,
      addReport,
      addCertificates,
      addPlan,
      addHistory,
      addShow,
      addCheck,
      addDial,
      addDoctor,
      addScan,
      addServed,
      addDiff,
      addWatched,
      addInventory,
      addChallenges,
      addOpen,
    ],
  ],
  [
    "Act:",
    [
      addRenew,
      addDeploy,
      addRollback,
      addPause,
      addResume,
      addRetry,
      addAcknowledge,
      addImport,
      addRevoke,
      addReplace,
      addDrill,
      addDiscover,
      addRehearse,
      addNotify,
      addLeftovers,
      addAccount,
    ],
  ],
  ["Run:", [addRun, addWorker]],
  ["Keep:", [addBackup, addRestore, addStore, addAudit]],
  ["Configure:", [addInit, addConfig, addTargets, addSolvers, addChannels, addErrors, addCompletion]],
] as const;

/** They reload on SIGHUP; any other command ends. */
const RUNNING_COMMANDS = ["run", "worker"];

export function createProgram(cli: Cli): Command {
  const program = new Command("renewd")
    .description(
      "Finds certificates inside their renewal window, renews them at an ACME CA, deploys them and proves them live.",
    )
    .version(manifest.version, "-V, --version")
    .option(
      "-c, --config <file>",
      `configuration (default: $RENEWD_CONFIG, else ${DEFAULT_CONFIG_FILES.join(", then ")})`,
    )
    .option(
      "--server <url>",
      "ask a renewd elsewhere through its web role, such as https://renewd.example.org (or $RENEWD_SERVER)",
    )
    .option("--token <token>", "its API token, or file:PATH with it (or $RENEWD_TOKEN)")
    .option("--json", "print one JSON document with a `version` instead of text")
    .option("--no-input", "ask nothing: what would be asked must be an option, such as --yes")
    .option("--no-color", "print without colours (NO_COLOR in the environment does the same)")
    .addHelpText("after", () => `\nExit codes:\n${exitCodeLines().join("\n")}`)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => cli.stdout.write(text),
      writeErr: (text) => cli.stderr.write(inertLines(text)),
    });
  program.hook("preAction", async (_program, command) => {
    if (!RUNNING_COMMANDS.includes(command.name())) await cli.reloads?.letGo();
  });
  for (const [heading, adders] of COMMANDS) {
    program.commandsGroup(heading);
    for (const add of adders) add(program, cli);
  }
  return program;
}

/** Runs one command line (without node and script) and returns the exit code. Never throws. */
export async function runCommandLine(argv: readonly string[], streams: Omit<Cli, "exitCode">): Promise<number> {
  const cli: Cli = { ...streams, exitCode: EXIT.ok.code };
  const program = createProgram(cli);
  try {
    await program.parseAsync(argv, { from: "user" });
    return cli.exitCode;
  } catch (thrown) {
    // Help and version come as errors with exit code 0; commander has printed what there is to say.
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === 0) return EXIT.ok.code;
      if (isJsonAsked(argv)) reportUsage(cli, thrown);
      return EXIT.usage.code;
    }
    const error = toRenewalError(thrown);
    outputOf(cli, program.opts<GlobalOptions>()).error(error, problemsOf(error));
    if (!(thrown instanceof RenewalError) && thrown instanceof Error) cli.stderr.write(`${thrown.stack ?? ""}\n`);
    return EXIT[exitOf(error)].code;
  }
}

/** Commander stops at the first mistake, perhaps before it has read the option. */
function isJsonAsked(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).some((each) => each === "--json" || each.startsWith("--json="));
}

/** Commander has printed it for people. */
function reportUsage({ stdout }: Pick<Cli, "stdout">, { code, message }: CommanderError): void {
  const error = {
    code: "request.invalid",
    // Commander has printed the help, and has no message of its own.
    message: code === "commander.help" ? "the command is missing or unknown" : message.replace(/^error: /, ""),
    action: USAGE_ACTION,
    problems: [],
  };
  stdout.write(`${inertJson({ version: 1, error })}
`);
}

const USAGE_ACTION = "See `renewd --help`.";

function exitCodeLines(): string[] {
  return Object.values(EXIT).map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`);
}
