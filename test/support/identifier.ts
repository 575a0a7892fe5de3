import { isIP } from "node:net";
import { canonicalAddress, type Identifier } from "../../src/domain/identifier.ts";

/** The identifier that a name or address is. */
export function identifierOf(value: string): Identifier {
  return isIP(value) ? { type: "ip", value: canonicalAddress(value) } : { type: "dns", value: value.toLowerCase() };
}
