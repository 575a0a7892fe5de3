import { processEnvironment } from "../config/environment.ts";
import { toRenewalError } from "../domain/errors.ts";
import { runRoles } from "./process.ts";
import type { Role } from "./roles.ts";

/** Entry of `workers/*.ts`: configuration from the first argument, RENEWD_CONFIG or ./renewd.yaml. Never throws; the exit code tells. */
export async function startWorkerProcess(role: Role): Promise<void> {
  const file = process.argv[2] ?? processEnvironment("RENEWD_CONFIG") ?? "renewd.yaml";
  try {
    process.exitCode = await runRoles(file, [role]);
  } catch (thrown) {
    const { code, message, facts } = toRenewalError(thrown);
    process.stderr.write(`renewd ${role}: ${code}: ${message}\n${facts.action}\n`);
    process.exitCode = facts.class === "configuration" ? 2 : 1;
  }
}
