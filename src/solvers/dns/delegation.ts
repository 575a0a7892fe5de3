import { RenewalError } from "../../domain/errors.ts";
import { sanitize } from "../../domain/text.ts";
import { type Lookup, randomSibling } from "./lookup.ts";
import { DNS_NAME } from "./options.ts";

/** CAs follow about as many. */
const HOPS_MAX = 8;

export interface Delegation {
  /** Where the value goes. */
  readonly name: string;
  /** The CNAMEs on the way, first to last; empty: the value goes to the challenge's own name. */
  readonly path: readonly string[];
}

/**
 * Follows the CNAMEs of a challenge's name (RFC 8555 §8.4 lets CAs do so). An alias that a random sibling has too comes
 * from a wildcard and vanishes when the TXT record is created, so it is not followed. `follow` is the solver's option.
 * Without an answer from DNS nothing is followed: the provider's own list of zones then decides.
 */
export async function followDelegation(
  lookup: Lookup,
  name: string,
  follow: string,
  signal: AbortSignal,
): Promise<Delegation> {
  if (follow === "never") return { name, path: [] };
  if (follow !== "auto") return { name: follow, path: [follow] };
  const path: string[] = [];
  for (let at = name; ; ) {
    const target = await realAlias(lookup, at, signal);
    if (target === null) return { name: at, path };
    if (path.includes(target) || target === name)
      throw new RenewalError("dns.delegation", `The CNAMEs of ${name} go round in a circle at ${target}.`);
    if (path.length >= HOPS_MAX)
      throw new RenewalError("dns.delegation", `${name} is an alias of an alias, more than ${HOPS_MAX} times.`);
    path.push(target);
    at = target;
  }
}

async function realAlias(lookup: Lookup, name: string, signal: AbortSignal): Promise<string | null> {
  const target = await aliasOrNull(lookup, name, signal);
  if (target === null) return null;
  if (!DNS_NAME.test(target))
    throw new RenewalError(
      "dns.delegation",
      `${name} is an alias of "${sanitize(target, 253)}", which is no plain name.`,
    );
  return (await aliasOrNull(lookup, randomSibling(name), signal)) === target ? null : target;
}

async function aliasOrNull(lookup: Lookup, name: string, signal: AbortSignal): Promise<string | null> {
  try {
    return await lookup.alias(name, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RenewalError && error.code === "dns.unreachable") return null;
    throw error;
  }
}
