import { Argument, type Command } from "commander";
import { ROLES, type Role, runRoles } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, perform } from "../command.ts";

export function addRun(program: Command, cli: Cli): void {
  const command = program
    .command("run")
    .description(
      "Run every role in one process until SIGTERM; SIGHUP reloads the configuration. Without `redis` in it a " +
        "private Redis is started.",
    );
  perform(command, cli, ({ configFile }) => run(configFile, cli, ROLES));
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
  perform<{ readonly targets?: string }>(command, cli, ({ args, options: { targets }, configFile }) => {
    const agentOf = targets === undefined ? [] : targets.split(",");
    if (agentOf.length > 0 && args[0] !== "deployer")
      throw new RenewalError("request.invalid", "--targets: only a deployer deploys to targets");
    // commander has checked the argument against ROLES.
    return run(configFile, cli, args as readonly Role[], agentOf);
  });
}

async function run(
  configFile: string,
  { reloads }: Cli,
  roles: readonly Role[],
  agentOf: readonly string[] = [],
): Promise<"ok" | "wrong"> {
  return (await runRoles(configFile, { roles, agentOf, ...(reloads && { reloads }) })) === 0 ? "ok" : "wrong";
}
