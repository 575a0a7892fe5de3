import { Argument, type Command } from "commander";
import { ROLES, type Role, runRoles } from "../../compose/index.ts";
import { type Cli, perform } from "../call.ts";

export function addRun(program: Command, cli: Cli): void {
  const command = program
    .command("run")
    .description("Run every role in one process until SIGTERM; SIGHUP reloads the configuration. Without `redis` in it a private Redis is started.");
  perform(command, cli, ({ configFile }) => run(configFile, ROLES));
}

export function addWorker(program: Command, cli: Cli): void {
  const command = program
    .command("worker")
    .description("Run one role until SIGTERM; any number of processes may share a Redis and a database.")
    .addArgument(new Argument("<role>", "what this process does").choices(ROLES));
  // commander has checked the argument against ROLES.
  perform(command, cli, ({ args, configFile }) => run(configFile, args as readonly Role[]));
}

async function run(configFile: string, roles: readonly Role[]): Promise<"ok" | "wrong"> {
  return (await runRoles(configFile, roles)) === 0 ? "ok" : "wrong";
}
