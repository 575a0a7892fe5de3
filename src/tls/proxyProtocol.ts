import { isIPv6 } from "node:net";
import type { ProxyProtocol } from "../domain/endpoint.ts";
import { canonicalAddress } from "../domain/identifier.ts";

/** Both ends of the connection, as the socket knows them. */
export interface ConnectionEnds {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const VERSION_2_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;

/** The header that a proxy sends first, here for the connection itself (HAProxy's PROXY protocol, versions 1 and 2). */
export function proxyHeader(version: ProxyProtocol, ends: ConnectionEnds): Buffer {
  const { localPort, remotePort } = ends;
  const [from, to] = [withoutZone(ends.localAddress), withoutZone(ends.remoteAddress)];
  const isSix = isIPv6(to);
  if (version === "v1")
    return Buffer.from(`PROXY ${isSix ? "TCP6" : "TCP4"} ${from} ${to} ${localPort} ${remotePort}\r\n`);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(localPort, 0);
  ports.writeUInt16BE(remotePort, 2);
  const body = Buffer.concat([addressBytes(from), addressBytes(to), ports]);
  const head = Buffer.from([VERSION_2_PROXY, isSix ? TCP6 : TCP4, 0, body.length]);
  return Buffer.concat([SIGNATURE, head, body]);
}

/** The interface of a link-local address, as in `fe80::1%eth0`, means nothing to the peer. */
function withoutZone(address: string): string {
  return address.split("%", 1)[0] ?? "";
}

function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split(".").map(Number));
  const [left = [], right = []] = canonicalAddress(address)
    .split("::")
    .map((part) => (part === "" ? [] : part.split(":")));
  const zeros = Array<string>(8 - left.length - right.length).fill("0");
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, "0")).join(""), "hex");
}
