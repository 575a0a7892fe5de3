import { isIP } from "node:net";
import { domainToASCII, domainToUnicode } from "node:url";
import { addressVersion, canonicalAddress, type Identifier } from "../../domain/identifier.ts";

export type Checked<T> = { readonly value: T } | { readonly problem: string };

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * A name a certificate can be issued for, as an A-label name (RFC 5890), a wildcard of one (RFC 8555 §7.1.3) or an IP
 * address (RFC 8738).
 */
export function checkIdentifier(text: string): Checked<Identifier> {
  if (addressVersion(text))
    return text.includes("%")
      ? { problem: "must be an IP address without zone" }
      : { value: { type: "ip", value: canonicalAddress(text) } };
  const wildcard = text.startsWith("*.");
  const base = checkDnsName(wildcard ? text.slice(2) : text);
  if ("problem" in base) return base;
  const value = wildcard ? `*.${base.value}` : base.value;
  return value.length <= 253 ? { value: { type: "dns", value } } : { problem: TOO_LONG };
}

const TOO_LONG = "is longer than 253 characters (RFC 1035 §2.3.4)";

/** What all rules below let through as it is: most names. */
const USUAL_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A DNS host name in lower-case A-labels; U-labels are converted. */
export function checkDnsName(text: string): Checked<string> {
  if (USUAL_NAME.test(text) && !text.includes("xn--")) return { value: text };
  // Longer than any name can be in U-labels: do not let the converter chew on it.
  if (text.length > 1_000) return { problem: TOO_LONG };
  if (text.includes("*")) return { problem: "may have a wildcard only as its whole first label, as in *.example.org" };
  if (text.endsWith(".")) return { problem: "must be written without the dot at the end" };
  // Before conversion, which maps and decodes more than a configuration should mean.
  if (!/^[\p{L}\p{N}\p{M}.-]+$/u.test(text))
    return { problem: "must be a DNS name: letters, digits, hyphens and dots" };
  const name = toALabels(text);
  if (name === null) return { problem: "holds a label that is no valid internationalised name (RFC 5890)" };
  const labels = name.split(".");
  if (labels.some((label) => label === "")) return { problem: "must not have an empty label" };
  if (labels.some((label) => label.length > 63))
    return { problem: "has a label longer than 63 characters (RFC 1035 §2.3.4)" };
  if (!labels.every((label) => LABEL.test(label))) return { problem: "has a label that begins or ends with a hyphen" };
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) return { problem: "ends like an IP address but is none" };
  return name.length <= 253 ? { value: name } : { problem: TOO_LONG };
}

/** The URL standard's converter reads `1.2` and `0x7f` as IPv4 addresses, so it sees only what needs it. */
function toALabels(text: string): string | null {
  const lower = text.toLowerCase();
  const ascii = /^[a-z0-9.-]*$/.test(lower) ? lower : domainToASCII(lower);
  // It accepts an A-label that decodes to nothing; the way back does not (RFC 5891 §5.4).
  const broken = ascii
    .split(".")
    .some((label) => label.startsWith("xn--") && domainToUnicode(label).startsWith("xn--"));
  return ascii === "" || broken || (ascii !== lower && isIP(ascii)) ? null : ascii;
}
