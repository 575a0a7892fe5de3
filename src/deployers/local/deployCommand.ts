import { z } from "zod";
import type { IssuedCertificate } from "../../domain/version.ts";
import { durationOption } from "../base/duration.ts";
import { checkCommand, runCommand } from "./command.ts";

/** Options of targets that run a command of the operator once the files are in place. */
export const commandOptions = {
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .optional()
    .describe(
      "Program and arguments to run after the files are in place, without a shell, for example to reload a server. " +
        "Also run when they were in place already, unless only the target's definition changed. Its environment: PATH, HOME, LANG, TZ, RENEWD_TARGET, " +
        "RENEWD_CERTIFICATE, RENEWD_GENERATION, RENEWD_FINGERPRINT, RENEWD_FILES (one path per line).",
    ),
  commandTimeout: durationOption("1m").describe("Time the command may take before it is ended: 500ms, 30s, 2m."),
};

interface CommandOptions {
  readonly command?: readonly [string, ...string[]] | undefined;
  readonly commandTimeout: number;
}

export interface Deployed {
  readonly target: string;
  readonly pair: IssuedCertificate;
  readonly paths: readonly string[];
}

/**
 * Call it also when nothing changed, unless `mayLeaveOut`: the attempt that swapped the files may have died before
 * this.
 */
export async function runDeployCommand(
  { command, commandTimeout }: CommandOptions,
  { target, pair, paths }: Deployed,
  signal: AbortSignal,
): Promise<void> {
  if (command === undefined) return;
  const env = {
    RENEWD_TARGET: target,
    RENEWD_CERTIFICATE: pair.certificate,
    RENEWD_GENERATION: String(pair.generation),
    RENEWD_FINGERPRINT: pair.leaf.fingerprint,
    RENEWD_FILES: paths.join("\n"),
  };
  await runCommand({ argv: command, timeoutMs: commandTimeout, env, givenKey: true }, signal);
}

/** What preflight cannot try. */
export function untriedCommand({ command }: { readonly command?: unknown }): { readonly untried?: string } {
  return command === undefined ? {} : { untried: "what its command does" };
}

/** For preflight. */
export async function checkDeployCommand({ command }: CommandOptions): Promise<void> {
  if (command !== undefined) await checkCommand(command[0]);
}
