import { Argument, type Command } from "commander";
import { type InUse, openContextToLook, ROLES, type Role, runRoles } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { iso } from "../../reports/instant.ts";
import { type Cli, type CommandCall, perform } from "../command.ts";
import { answersYes } from "../confirm.ts";
import { findPairsInUse, planReport } from "../doors.ts";
import { interruptible } from "../interruptible.ts";
import { renderDryRun, renderInUse } from "../render/dryRun.ts";
import { silentLog } from "../silentLog.ts";

interface Options {
  readonly input: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly vantage?: string;
}

interface WorkerOptions {
  readonly targets?: string;
  readonly vantage?: string;
  readonly yes?: boolean;
}

const VANTAGE = "the network that this process dials endpoints from, one of `vantages` of the configuration.";

function vantageIn({ vantage }: Options | WorkerOptions): { readonly vantage?: string } {
  return vantage === undefined ? {} : { vantage };
}

export function addRun(program: Command, cli: Cli): void {
  const command = program
    .command("run")
    .description(
      "Run every role in one process until SIGTERM. SIGHUP reloads the configuration, all but `dataDir`, `masterKey`, " +
        "`store` and `redis`, which need a restart. Without `redis` in it a private Redis is started.",
    )
    .option("--dry-run", "say what it would order and replace, and end: nothing is changed")
    .option(
      "-y, --yes",
      "at the first run, replace certificates that endpoints already serve. Without it you are asked; where nobody can " +
        "be asked they are held until `renewd resume` or `renewd import`",
    )
    .option("--vantage <name>", `${VANTAGE} Default: $RENEWD_VANTAGE, else \`vantage\` of the configuration`);
  perform<Options>(command, cli, (call) =>
    call.options.dryRun === true
      ? interruptible((signal) => dryRun(call, signal))
      : run(call.configFile, cli, {
          roles: ROLES,
          // Who has said yes is not asked: nothing needs to be surveyed.
          ...(call.options.yes !== true && { onPairsInUse: (inUse) => mayReplace(inUse, call) }),
          ...vantageIn(call.options),
        }),
  );
}

export function addWorker(program: Command, cli: Cli): void {
  const command = program
    .command("worker")
    .description("Run one role until SIGTERM; any number of processes may share a Redis and a database.")
    .addArgument(new Argument("<role>", "what this process does").choices(ROLES))
    .option(
      "--targets <names>",
      "deployer: deploy only to these targets (a,b), which say `agent: true`; for the machine that owns them",
    );
  command.option(
    "-y, --yes",
    "planner: at the first run, replace certificates that endpoints already serve. Without it they are held until " +
      "`renewd resume` or `renewd import`",
  );
  command.option("--vantage <name>", `verifier: ${VANTAGE}`);
  perform<WorkerOptions>(command, cli, ({ args, options, configFile }) => {
    const { targets, yes } = options;
    const agentOf = targets === undefined ? [] : targets.split(",");
    if (options.vantage !== undefined && args[0] !== "verifier")
      throw new RenewalError("request.invalid", "--vantage: only a verifier dials endpoints from a network");
    if (agentOf.length > 0 && args[0] !== "deployer")
      throw new RenewalError("request.invalid", "--targets: only a deployer deploys to targets");
    // commander has checked the argument against ROLES.
    const survey = args[0] === "planner" && yes !== true ? { onPairsInUse: async () => false } : {};
    return run(configFile, cli, { roles: args as readonly Role[], agentOf, ...survey, ...vantageIn(options) });
  });
}

async function run(
  configFile: string,
  { reloads }: Cli,
  options: Omit<Parameters<typeof runRoles>[1], "reloads">,
): Promise<"ok" | "wrong"> {
  return (await runRoles(configFile, { ...options, ...(reloads && { reloads }) })) === 0 ? "ok" : "wrong";
}

/** A first run over an estate that other tooling serves is a person's decision. */
async function mayReplace(inUse: InUse, { options, output }: CommandCall<Options>): Promise<boolean> {
  output.note(renderInUse(inUse));
  return answersYes("renewd would order new certificates and replace what is served.", options);
}

/** `renewd run --dry-run`: what a planner would start now, and what is in use there. */
async function dryRun({ output, configFile }: CommandCall<Options>, signal: AbortSignal): Promise<"ok"> {
  await using app = await openContextToLook(configFile, { log: silentLog });
  const { store, config, clock, services } = app;
  const { budget, limits, reloads } = services;
  const plan = await planReport(store, config.certificates, clock.now(), budget, limits, reloads);
  const { pairs, unasked } = await findPairsInUse(app.context, signal);
  const inUse = pairs.map(({ seen: _, ...pair }) => ({ ...pair, notAfter: iso(pair.notAfter) }));
  output.report({ version: 1, plan, inUse, unasked }, renderDryRun);
  return "ok";
}
