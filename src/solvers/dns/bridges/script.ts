import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import type { Secret } from "../../../domain/secret.ts";
import { sanitize } from "../../../domain/text.ts";
import { type Ended, runProgram } from "../../../process/program.ts";
import { durationOption, secretOption } from "../options.ts";
import type { ProviderDependencies, Zone } from "../provider.ts";
import { quote } from "../rest/quote.ts";

export const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be the name of an environment variable");

/** What a script gets beside renewd's own variables. Nothing of the worker's environment is passed on by itself. */
export const scriptOptions = {
  environment: z
    .record(variableName, z.string().max(4096))
    .default({})
    .describe("Environment variables for the script, such as the address of an API. Not for secrets."),
  secretEnvironment: z
    .record(variableName, secretOption)
    .default({})
    .describe(
      "Environment variables whose values are secrets: each is `env:NAME` or `file:/path`, read when the script is run.",
    ),
  timeout: durationOption.optional().describe("Time one call may take before it is ended. Default: 2m."),
};

export type ScriptOptions = z.infer<z.ZodObject<typeof scriptOptions>>;

export interface ScriptCall {
  readonly argv: readonly string[];
  /** For people, instead of program and arguments. */
  readonly shown: string;
  readonly env: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 120_000;
const SAID_CHARACTERS_MAX = 1_000;

/**
 * Runs a user's script to its end and returns what it printed. Throws `dns.refused` with the end of its output when it
 * fails, and `dns.unreachable` when it does not end in time.
 */
export async function runScript(
  options: ScriptOptions,
  { turn, secret }: Pick<ProviderDependencies, "turn" | "secret">,
  { argv, shown, env }: ScriptCall,
  signal: AbortSignal,
): Promise<string> {
  await turn(signal);
  const names = Object.entries(options.secretEnvironment);
  const secrets = await Promise.all(names.map(async ([name, at]) => [name, await secret(at)] as const));
  const revealed = Object.fromEntries(secrets.map(([name, value]) => [name, value.reveal()]));
  const timeoutMs = options.timeout ?? TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const program = { argv, env: { ...options.environment, ...revealed, ...env } };
  const ended = await runProgram(program, AbortSignal.any([signal, timeout])).catch((cause: unknown) => {
    throw new RenewalError("dns.refused", `${shown} cannot be run: ${startProblem(cause)}`, { cause });
  });
  signal.throwIfAborted();
  if (ended.code === 0) return ended.stdout;
  if (timeout.aborted)
    throw new RenewalError("dns.unreachable", `${shown} did not end within ${timeoutMs / 1000} s and was ended`);
  const how = ended.code === null ? `was ended by ${ended.killedBy}` : `ended with exit code ${ended.code}`;
  throw new RenewalError(
    "dns.refused",
    `${shown} ${how}${said(
      ended,
      secrets.map(([, value]) => value),
    )}`,
  );
}

function said({ stdout, stderr }: Ended, secrets: readonly Secret[]): string {
  const text = stderr.trim() === "" ? stdout : stderr;
  // Programs say last why they stopped.
  const end = quote(text.trim().slice(-SAID_CHARACTERS_MAX), secrets);
  return end === "" ? "" : `: ${end}`;
}

function startProblem(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") return "it does not exist";
  if (code === "EACCES") return "it may not be executed";
  return sanitize(String(code ?? "it could not be started"), 60);
}

/**
 * A script knows its zones and tells nobody: so every zone that could hold the name is offered, and the engine takes
 * the name itself, unless the solver's `zone` says which.
 */
export function anyZone(name: string): Zone[] {
  const labels = name.split(".");
  return labels
    .map((_, index) => labels.slice(index).join("."))
    .map((zone) => ({ id: zone, name: zone, isAssumed: true }));
}
