import { isIP } from "node:net";

/** An ACME identifier (RFC 8555 §9.7.7; RFC 8738 for IP addresses). DNS names are lower-case A-labels. */
export interface Identifier {
  readonly type: "dns" | "ip";
  readonly value: string;
}

/** Order does not matter to a CA: two sets are equal when they name the same things. */
export function sameIdentifiers(a: readonly Identifier[], b: readonly Identifier[]): boolean {
  return isWrittenAlike(a, b) || identifiersKey(a) === identifiersKey(b);
}

/** In the same order, as most are. */
function isWrittenAlike(a: readonly Identifier[], b: readonly Identifier[]): boolean {
  return a.length === b.length && a.every(({ type, value }, i) => type === b[i]?.type && value === b[i].value);
}

/** Equal for the same identifiers in any order. */
export function identifiersKey(identifiers: readonly Identifier[]): string {
  return [...new Set(identifiers.map(({ type, value }) => `${type}:${value}`))].sort().join(" ");
}

/** `isIP` of Node.js, which is slow where the text is none, as most are; 0: it is none. */
export function addressVersion(text: string): number {
  return text.includes(":") || isDigit(text.charCodeAt(0)) ? isIP(text) : 0;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/**
 * IPv6 addresses have many spellings; comparing needs one (RFC 5952, as the URL parser writes it). Anything else comes
 * back as it is.
 */
export function canonicalAddress(value: string): string {
  if (addressVersion(value) !== 6 || value.includes("%")) return value;
  return new URL(`http://[${value}]`).hostname.slice(1, -1);
}

/**
 * True when a client that asks for `serverName` accepts one of `names`. A wildcard is one whole first label (RFC 9525
 * §6.3).
 */
export function namesCover(names: readonly string[], serverName: string): boolean {
  if (addressVersion(serverName)) return names.includes(canonicalAddress(serverName));
  const wanted = serverName.toLowerCase();
  const dot = wanted.indexOf(".");
  return names.includes(wanted) || (dot > 0 && names.includes(`*${wanted.slice(dot)}`));
}
