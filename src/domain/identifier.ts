import { isIP } from "node:net";

/** An ACME identifier (RFC 8555 §9.7.7; RFC 8738 for IP addresses). DNS names are lower-case A-labels. */
export interface Identifier {
  readonly type: "dns" | "ip";
  readonly value: string;
}

/** Order does not matter to a CA: two sets are equal when they name the same things. */
export function sameIdentifiers(a: readonly Identifier[], b: readonly Identifier[]): boolean {
  return identifiersKey(a) === identifiersKey(b);
}

/** Equal for the same identifiers in any order. */
export function identifiersKey(identifiers: readonly Identifier[]): string {
  return [...new Set(identifiers.map(({ type, value }) => `${type}:${value}`))].sort().join(" ");
}

/**
 * IPv6 addresses have many spellings; comparing needs one (RFC 5952, as the URL parser writes it). Anything else comes
 * back as it is.
 */
export function canonicalAddress(value: string): string {
  if (isIP(value) !== 6 || value.includes("%")) return value;
  return new URL(`http://[${value}]`).hostname.slice(1, -1);
}

/**
 * True when a client that asks for `serverName` accepts one of `names`. A wildcard is one whole first label (RFC 9525
 * §6.3).
 */
export function namesCover(names: readonly string[], serverName: string): boolean {
  if (isIP(serverName)) return names.includes(canonicalAddress(serverName));
  const wanted = serverName.toLowerCase();
  const dot = wanted.indexOf(".");
  return names.includes(wanted) || (dot > 0 && names.includes(`*${wanted.slice(dot)}`));
}
