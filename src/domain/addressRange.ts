import { BlockList, isIP } from "node:net";
import { embeddedIn, reachOf } from "./reach.ts";

/** Addresses of one network (RFC 4632, RFC 4291 §2.3). */
export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** Larger networks take longer than anybody waits, and nobody means them. */
export const NETWORK_ADDRESSES_MAX = 65_536;

/** null: no address, or one with a network's length. */
export function parseNetwork(text: string): Network | null {
  const [address = "", length, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || address.includes("%")) return null;
  const bits = version === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (prefix < 0 || prefix > bits) return null;
  return { address, prefix, family: version === 4 ? "ipv4" : "ipv6" };
}

/** How many addresses it has; more than a number can say exactly is infinite. */
export function sizeOf({ prefix, family }: Network): number {
  const bits = (family === "ipv4" ? 32 : 128) - prefix;
  return bits > 48 ? Number.POSITIVE_INFINITY : 2 ** bits;
}

/** Each address, in order. Bounded by `NETWORK_ADDRESSES_MAX`. */
export function* addressesIn(network: Network): Generator<string, void> {
  const size = Math.min(sizeOf(network), NETWORK_ADDRESSES_MAX);
  const bits = network.family === "ipv4" ? 32n : 128n;
  const host = bits - BigInt(network.prefix);
  const first = (numberOf(network) >> host) << host;
  for (let index = 0; index < size; index++) yield textOf(first + BigInt(index), network.family);
}

/**
 * Whether an address may be dialled: those in private networks, link-local ones and the like only where `allow` has
 * them, or has the IPv4 address that packets to them end at.
 */
export function addressGate(allow: readonly Network[]): (address: string) => boolean {
  const allowed = listOf(allow);
  const isAllowed = (address: string): boolean => allowed.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
  return (address) => {
    const plain = address.replace(/%.*$/, "");
    const version = isIP(plain);
    if (version === 0) return false;
    if (reachOf(address) === "public" || isAllowed(plain)) return true;
    const inner = version === 6 ? embeddedIn(plain) : null;
    return inner !== null && isAllowed(inner);
  };
}

function listOf(networks: readonly Network[]): BlockList {
  const list = new BlockList();
  for (const { address, prefix, family } of networks) list.addSubnet(address, prefix, family);
  return list;
}

function numberOf({ address, family }: Network): bigint {
  if (family === "ipv4") return address.split(".").reduce((sum, part) => (sum << 8n) | BigInt(Number(part)), 0n);
  // The URL parser writes the one canonical form, without a dotted end (RFC 5952).
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = [], tail = []] = canonical
    .split("::")
    .map((part) => (part === "" ? [] : part.split(":").map((group) => BigInt(`0x${group}`))));
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0n), ...tail];
  return groups.reduce((sum, group) => (sum << 16n) | group, 0n);
}

function textOf(value: bigint, family: Network["family"]): string {
  if (family === "ipv4") return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = value.toString(16).padStart(32, "0").match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
