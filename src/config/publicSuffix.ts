import { parse } from "tldts";
import type { Identifier } from "../domain/identifier.ts";

/**
 * Whether the name, or what its wildcard stands below, is a suffix that a registry gives names under, such as `co.uk`:
 * public CAs issue nothing for it (CA/Browser Forum BR 3.2.2.6). Suffixes that companies list, such as `github.io`,
 * have owners who get certificates.
 */
export function isPublicSuffix({ type, value }: Identifier): boolean {
  if (type === "ip") return false;
  const name = value.replace(/^\*\./, "");
  const { publicSuffix, isIcann } = parse(name, { allowPrivateDomains: false, validateHostname: false });
  return isIcann === true && publicSuffix === name;
}
