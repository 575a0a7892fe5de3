import { describe, expect, test } from "vitest";
import { addressesIn, addressGate, type Network, parseNetwork, sizeOf } from "../../src/domain/addressRange.ts";

const network = (text: string): Network => parseNetwork(text) ?? expect.unreachable(text);

describe("a network", () => {
  test.each([
    ["192.0.2.5", 1, "192.0.2.5"],
    ["192.0.2.9/30", 4, "192.0.2.8"],
    ["10.255.255.0/24", 256, "10.255.255.0"],
    ["2001:db8::ff/126", 4, "2001:db8::fc"],
    ["::ffff:10.0.0.1/127", 2, "::ffff:a00:0"],
  ])("%s has %i addresses, the first %s", (text, size, first) => {
    const all = [...addressesIn(network(text))];
    expect([sizeOf(network(text)), all.length, all[0]]).toEqual([size, size, first]);
    expect(new Set(all).size).toBe(size);
  });

  test("of any size is read in bounded time and memory", () => {
    expect(sizeOf(network("::/0"))).toBe(Number.POSITIVE_INFINITY);
    expect([...addressesIn(network("10.0.0.0/8"))]).toHaveLength(65_536);
  });

  test.each([
    "",
    "x",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "1.2.3",
    "::1/129",
    "fe80::1%eth0/64",
    "10.0.0.0/ 8",
  ])("%j is none", (text) => expect(parseNetwork(text)).toBeNull());
});

describe("addresses that may be dialled", () => {
  const SPECIAL = [
    ...["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"],
    ...["::1", "::", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "::ffff:7f00:1", "224.0.0.1", "fe80::1%lo"],
    // NAT64, 6to4 and the like lead to the IPv4 address that they contain.
    ...["64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::192.168.1.1", "2002:7f00:1::1", "::127.0.0.1"],
    ...["::ffff:0:10.0.0.1", "100::1", "2001:db8::1", "fc00::1"],
    // Clouds give credentials there, and the first two are no private addresses.
    ...["168.63.129.16", "192.0.0.192", "100.100.100.200"],
  ];
  test.each(SPECIAL)("%s is not, unless it is allowed", (address) => {
    expect(addressGate([])(address)).toBe(false);
  });

  test.each(["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])("%s is", (address) => {
    expect(addressGate([])(address)).toBe(true);
  });

  test("those that are allowed are, and no others", () => {
    const gate = addressGate(["127.0.0.0/8", "fd00::/8"].map(network));
    expect(["127.9.9.9", "::ffff:127.0.0.1", "fd12::1", "10.0.0.1", "::1"].map(gate)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test("where an IPv4 network is allowed, so is what leads there by NAT64", () => {
    const gate = addressGate([network("10.0.0.0/8")]);
    expect(["64:ff9b::10.0.0.1", "64:ff9b::192.168.0.1"].map(gate)).toEqual([true, false]);
  });

  test("a name is no address", () => expect(addressGate([network("0.0.0.0/0")])("localhost")).toBe(false));
});
