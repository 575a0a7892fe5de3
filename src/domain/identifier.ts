import { isIP } from "node:net";

/** An ACME identifier (RFC 8555 §9.7.7; RFC 8738 for IP addresses). DNS names are lower-case A-labels. */
export interface Identifier {
  readonly type: "dns" | "ip";
  readonly value: string;
}

export function identifierOf(value: string): Identifier {
  return isIP(value) ? { type: "ip", value } : { type: "dns", value: value.toLowerCase() };
}

/** Order does not matter to a CA: two sets are equal when they name the same things. */
export function sameIdentifiers(a: readonly Identifier[], b: readonly Identifier[]): boolean {
  const key = (set: readonly Identifier[]): string => [...new Set(set.map((i) => `${i.type}:${i.value}`))].sort().join(" ");
  return key(a) === key(b);
}
