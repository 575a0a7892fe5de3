import { isIP } from "node:net";
import { addressVersion, canonicalAddress } from "../../domain/identifier.ts";
import { type Checked, checkDnsName } from "./identifiers.ts";

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/**
 * `www.example.org:443`, `192.0.2.1:8443`, `[2001:db8::1]:443`; `defaultPort` when none is written, null to demand one.
 */
export function checkHostAndPort(text: string, defaultPort: number | null): Checked<HostAndPort> {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (!match || port === null) return { problem: "must be host:port, with an IPv6 address in brackets" };
  if (port < 1 || port > 65_535) return { problem: "has a port outside 1 to 65535" };
  if (match[1] !== undefined && isIP(match[1]) !== 6)
    return { problem: "has brackets around something that is no IPv6 address" };
  const host = checkHost(match[1] ?? match[2] ?? "");
  return "problem" in host ? host : { value: { host: host.value, port } };
}

/**
 * Something to dial: an IP address or a host name. Underscores are no DNS host names, but container networks have them.
 */
export function checkHost(text: string): Checked<string> {
  if (addressVersion(text) && !text.includes("%")) return { value: canonicalAddress(text) };
  if (text === "") return { problem: "must name a host" };
  const plain = checkDnsName(text.replaceAll("_", "x"));
  if ("problem" in plain) return plain;
  return { value: text.includes("_") ? text.toLowerCase() : plain.value };
}
