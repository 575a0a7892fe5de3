import { inspect } from "node:util";
import type { Deployer } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { dropKeyRuns, looksLikeKey } from "../../domain/keyText.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { Secret } from "../../domain/secret.ts";
import { inert } from "../../domain/text.ts";
import { secretFinder } from "./sanitizeAnswer.ts";

const DEPTH_MAX = 10;

/**
 * The last check of every deployer: neither a receipt, a finding nor an error, its causes and their members included,
 * may hold a piece of the private key. All reach history, which is never deleted from, and notifications. What is asked
 * without a pair may meet keys that nobody knows here, so whatever looks like one is not shown either.
 */
export function guardKey<Options, Dependencies>(
  plugin: Plugin<Options, Dependencies, Deployer>,
): Plugin<Options, Dependencies, Deployer> {
  return { ...plugin, create: (options, dependencies) => guarded(plugin.create(options, dependencies)) };
}

function guarded(deployer: Deployer): Deployer {
  const { preflight, inspect: ask, held } = deployer;
  return {
    ...deployer,
    async deploy(request, signal) {
      const secrets = [request.pair.privateKey];
      const receipt = await withoutKeys(() => deployer.deploy(request, signal), secrets, signal);
      return cleanReceipt(receipt, secrets, request.pair.leaf.fingerprint);
    },
    ...(preflight !== undefined && {
      preflight: (certificate, leaf, signal) =>
        withoutKeys(() => preflight.call(deployer, certificate, leaf, signal), [], signal),
    }),
    ...(held !== undefined && {
      held: (found, signal) => withoutKeys(() => held.call(deployer, found, signal), [], signal),
    }),
    ...(ask !== undefined && {
      async inspect(request, signal) {
        const found = await withoutKeys(() => ask.call(deployer, request, signal), [], signal);
        return found && { ...found, problems: found.problems.map(dropKeyRuns) };
      },
    }),
  };
}

async function withoutKeys<Result>(
  run: () => Promise<Result>,
  secrets: readonly Secret[],
  signal: AbortSignal,
): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    signal.throwIfAborted();
    throw repeatsKey(error, secrets) ? bare(error) : error;
  }
}

/** Logs and history get the messages of an error and its causes, so those are searched for unknown keys, too. */
function repeatsKey(error: unknown, secrets: readonly Secret[]): boolean {
  const all = { depth: DEPTH_MAX, showHidden: true, maxStringLength: null, maxArrayLength: null } as const;
  const texts = [inspect(error, all), ...stringsIn(error, DEPTH_MAX)];
  return texts.some(secretFinder(secrets)) || messagesOf(error, DEPTH_MAX).some(looksLikeKey);
}

function messagesOf(error: unknown, depth: number): string[] {
  if (!(error instanceof Error) || depth === 0) return typeof error === "string" ? [error] : [];
  const inner = error instanceof AggregateError ? error.errors : [];
  return [error.message, ...[error.cause, ...inner].flatMap((one) => messagesOf(one, depth - 1))];
}

function bare(error: unknown): RenewalError {
  const { code, retryAt } = toRenewalError(error);
  return new RenewalError(
    code,
    "the target repeated a private key in its error, so the error is not shown",
    retryAt === null ? {} : { retryAt },
  );
}

/** As they are: `inspect` breaks strings into lines. Getters are not called. */
function stringsIn(value: unknown, depth: number): string[] {
  if (typeof value === "string") return [value];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString("latin1"), Buffer.from(value).toString("hex")];
  if (typeof value !== "object" || value === null || depth === 0) return [];
  return Object.values(Object.getOwnPropertyDescriptors(value)).flatMap((one) => stringsIn(one.value, depth - 1));
}

/** Without the facts that hold a piece of the key; of those that hold it together, only what renewd itself knows stays. */
function cleanReceipt(receipt: DeployReceipt, secrets: readonly Secret[], fingerprint: string): DeployReceipt {
  const findsSecret = secretFinder(secrets);
  const alone = Object.entries(receipt).filter(([name, value]) => !findsSecret(`${name} ${value}`));
  const texts = alone.filter(([, value]) => typeof value === "string" && value !== fingerprint);
  const [names, values] = [texts.map(([name]) => name), texts.map(([, value]) => String(value))];
  const isInPieces = [names, values, texts.flat().map(String)].some((parts) => findsSecret(parts.join("")));
  const kept = isInPieces ? alone.filter((fact) => !texts.includes(fact)) : alone;
  // A target's own identifiers are foreign text, too. A valid one has no active character.
  return Object.fromEntries(kept.map(([name, value]) => [name, typeof value === "string" ? inert(value) : value]));
}
