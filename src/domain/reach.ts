import { BlockList, isIP, isIPv6 } from "node:net";

/**
 * `never`: link-local, what is no host, and the metadata services of clouds, which give credentials to all who ask.
 * `private`: this machine and private networks.
 */
export type Reach = "public" | "private" | "never";

type Range = readonly [network: string, prefix: number];

const NEVER_4: readonly Range[] = [
  ...([
    ["0.0.0.0", 8],
    ["169.254.0.0", 16],
    ["224.0.0.0", 4],
    ["240.0.0.0", 4],
  ] as const),
  // Alibaba Cloud, Oracle Cloud and Azure outside 169.254.0.0/16.
  ...([
    ["100.100.100.200", 32],
    ["192.0.0.192", 32],
    ["168.63.129.16", 32],
  ] as const),
];
const NEVER_6: readonly Range[] = [
  ...([
    ["::", 128],
    ["fe80::", 10],
    ["ff00::", 8],
  ] as const),
  // AWS and Google Cloud.
  ...([
    ["fd00:ec2::254", 128],
    ["fd20:ce::254", 128],
  ] as const),
];
const PRIVATE_4: readonly Range[] = [
  ...([
    ["10.0.0.0", 8],
    ["127.0.0.0", 8],
    ["172.16.0.0", 12],
    ["192.168.0.0", 16],
    ["100.64.0.0", 10],
  ] as const),
  ...([
    ["192.0.0.0", 24],
    ["192.0.2.0", 24],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
  ] as const),
];
const PRIVATE_6: readonly Range[] = [
  ["::1", 128],
  ["100::", 64],
  ["fc00::", 7],
  ["fec0::", 10],
  ["2001:db8::", 32],
];
/**
 * IPv4-mapped, IPv4-compatible, IPv4-translated (RFC 2765), NAT64 (RFC 6052, 8215): the last 32 bits are an IPv4
 * address.
 */
const EMBEDDING: readonly Range[] = [
  ["::ffff:0:0", 96],
  ["::", 96],
  ["::ffff:0:0:0", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
];
/** For networks' own use: where in it the IPv4 address is, each network decides (RFC 6052 §2.2, RFC 8215 §5). */
const LOCAL_NAT64 = listOf([["64:ff9b:1::", 48]], "ipv6");
const SIX_TO_FOUR = listOf([["2002::", 16]], "ipv6");

const [NEVER_V4, PRIVATE_V4] = [listOf(NEVER_4, "ipv4"), listOf(PRIVATE_4, "ipv4")];
const [NEVER_V6, PRIVATE_V6] = [listOf(NEVER_6, "ipv6"), listOf(PRIVATE_6, "ipv6")];
const EMBEDDED = listOf(EMBEDDING, "ipv6");

function listOf(ranges: readonly Range[], family: "ipv4" | "ipv6"): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, family);
  return list;
}

/** What kind of network the address is in. */
export function reachOf(address: string): Reach {
  if (!isIPv6(address)) {
    if (isIP(address) === 0 || NEVER_V4.check(address)) return "never";
    return PRIVATE_V4.check(address) ? "private" : "public";
  }
  // A zone names an interface, so the address is link-local.
  if (address.includes("%") || NEVER_V6.check(address, "ipv6")) return "never";
  if (PRIVATE_V6.check(address, "ipv6")) return "private";
  const inner = embeddedIn(address);
  if (inner === null) return "public";
  const reach = reachOf(inner);
  // Only behind a prefix of 96 bits is it the last 32.
  const isElsewhere =
    LOCAL_NAT64.check(address, "ipv6") &&
    groupsOf(address)
      .slice(4, 6)
      .some((group) => group > 0);
  return reach === "public" && isElsewhere ? "private" : reach;
}

/** The IPv4 address that packets to this IPv6 one end at; null: none. */
export function embeddedIn(address: string): string | null {
  const isSixToFour = SIX_TO_FOUR.check(address, "ipv6");
  if (!isSixToFour && !EMBEDDED.check(address, "ipv6")) return null;
  const groups = groupsOf(address);
  const [high = 0, low = 0] = isSixToFour ? groups.slice(1, 3) : groups.slice(6, 8);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

/** The eight groups of an IPv6 address, however it is written. */
function groupsOf(address: string): number[] {
  // As a URL writes it: no dots, at most one `::`.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const parse = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [left, right] = [parse(head), parse(tail ?? "")];
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}
