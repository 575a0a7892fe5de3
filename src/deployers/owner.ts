import { RenewalError } from "../domain/errors.ts";
import { runCommand } from "./command.ts";

const LOOKUP_TIMEOUT_MS = 5_000;

/** The numeric id of a user or group name. `getent` also asks directories such as LDAP; Node knows neither. */
export async function numericId(database: "passwd" | "group", name: string, signal: AbortSignal): Promise<number> {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const entry = await runCommand({ argv: ["getent", database, name], timeoutMs: LOOKUP_TIMEOUT_MS }, signal).catch((cause) => {
    signal.throwIfAborted();
    throw new RenewalError("deploy.refused", `there is no ${database === "passwd" ? "user" : "group"} named ${name} here`, { cause });
  });
  return Number(entry.split(":")[2]);
}
