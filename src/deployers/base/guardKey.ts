import { inspect } from "node:util";
import type { Deployer } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { Secret } from "../../domain/secret.ts";
import { inert } from "../../domain/text.ts";
import { repeatsSecret } from "./sanitizeAnswer.ts";

const DEPTH_MAX = 10;

/**
 * The last check of every deployer: neither a receipt nor an error, its causes and their members included, may hold a
 * piece of the private key. Both reach history, which is never deleted from, and notifications.
 */
export function guardKey<Options, Dependencies>(
  plugin: Plugin<Options, Dependencies, Deployer>,
): Plugin<Options, Dependencies, Deployer> {
  return { ...plugin, create: (options, dependencies) => guarded(plugin.create(options, dependencies)) };
}

function guarded(deployer: Deployer): Deployer {
  return {
    ...deployer,
    async deploy(request, signal) {
      const secrets = [request.pair.privateKey];
      const receipt = await deployer.deploy(request, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        throw withoutKey(error, secrets);
      });
      return cleanReceipt(receipt, secrets);
    },
  };
}

function withoutKey(error: unknown, secrets: readonly Secret[]): unknown {
  const all = { depth: DEPTH_MAX, showHidden: true, maxStringLength: null, maxArrayLength: null } as const;
  const texts = [inspect(error, all), ...stringsIn(error, DEPTH_MAX)];
  if (!texts.some((text) => repeatsSecret(text, secrets))) return error;
  const { code, retryAt } = toRenewalError(error);
  return new RenewalError(
    code,
    "the target repeated the private key in its error, so the error is not shown",
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

function cleanReceipt(receipt: DeployReceipt, secrets: readonly Secret[]): DeployReceipt {
  return Object.fromEntries(
    Object.entries(receipt)
      .filter(([name, value]) => !repeatsSecret(`${name} ${value}`, secrets))
      // A target's own identifiers are foreign text, too. A valid one has no active character.
      .map(([name, value]) => [name, typeof value === "string" ? inert(value) : value]),
  );
}
