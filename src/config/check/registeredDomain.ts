import { getDomain } from "tldts";
import type { Identifier } from "../../domain/identifier.ts";

/**
 * What CAs count certificates by: the domain below the public suffix, private suffixes included as at Let's Encrypt (so
 * each `NAME.github.io` by itself); an IPv4 address itself, an IPv6 address by its /64.
 */
export function registeredDomain({ type, value }: Identifier): string {
  if (type === "ip") return value.includes(":") ? networkOf(value) : value;
  // tldts answers null for wildcards and for a name that is itself a public suffix: the latter counts as itself.
  const name = value.replace(/^\*\./, "");
  return getDomain(name, { allowPrivateDomains: true, validateHostname: false }) ?? name;
}

export function registeredDomains(identifiers: readonly Identifier[]): string[] {
  const domains = identifiers.map(registeredDomain);
  const [first] = domains;
  return domains.every((each) => each === first) ? domains.slice(0, 1) : [...new Set(domains)].sort();
}

/** The first four groups. */
function networkOf(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - groups.length - after.length) }, () => "0");
  return `${[...groups, ...zeros, ...after].slice(0, 4).join(":")}::/64`;
}
