import { isIPv4 } from "node:net";
import { canonicalAddress, type Identifier } from "./identifier.ts";

/** ALPN protocol of a validation (RFC 8737 §3). */
export const ACME_TLS = "acme-tls/1";

/**
 * Asked for it, every tls-alpn-01 responder of renewd says which installation it is of. No CA validates such a name.
 */
export const INSTALLATION_NAME = "installation.renewd.invalid";

/** No challenge token has a space, so that no http-01 request can name such a place. */
const PLACE = "tls-alpn-01 ";
const IPV4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/;
const IPV6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/;

/** Where the key authorization for a name is stored: the CA sends no token, only the name. */
export function tlsAlpnPlace({ type, value }: Identifier): string {
  return `${PLACE}${type === "ip" ? canonicalAddress(value) : value.toLowerCase()}`;
}

export function isTlsAlpnPlace(token: string): boolean {
  return token.startsWith(PLACE);
}

/** What a CA wants validated that sends this server name; an address comes as its name in reverse DNS (RFC 8738 §6). */
export function validatedBy(serverName: string): Identifier {
  const name = serverName.toLowerCase();
  const address = addressOf(name);
  return address === null ? { type: "dns", value: name } : { type: "ip", value: address };
}

function addressOf(name: string): string | null {
  const parts = (text: string): string[] => text.slice(0, -1).split(".").reverse();
  const four = IPV4.exec(name)?.[1];
  if (four !== undefined) {
    const address = parts(four).join(".");
    return isIPv4(address) ? address : null;
  }
  const six = IPV6.exec(name)?.[1];
  if (six === undefined) return null;
  return canonicalAddress((parts(six).join("").match(/.{4}/g) ?? []).join(":"));
}
