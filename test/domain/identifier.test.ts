import { isIP } from "node:net";
import { describe, expect, test } from "vitest";
import { addressVersion, namesCover, sameIdentifiers } from "../../src/domain/identifier.ts";
import { identifierOf } from "../support/identifier.ts";

describe("an identifier", () => {
  // Else a certificate for 2001:DB8::1 would look as if its names had changed, and be renewed again and again.
  test.each([
    ["2001:DB8:0::1", "2001:db8::1"],
    ["WWW.Example", "www.example"],
  ])("%s has one spelling, %s", (written, canonical) => {
    expect(identifierOf(written).value).toBe(canonical);
    expect(sameIdentifiers([identifierOf(written)], [identifierOf(canonical)])).toBe(true);
  });
});

test.each([
  ...["192.0.2.1", "01.2.3.4", "1.2", "256.1.1.1", "::1", "::", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1"],
  ...["", "a", "www.example", "1.example", "[::1]", "a:b", "1e", ".1", " 1.2.3.4"],
])("%j is an address if Node.js says so", (text) => {
  expect(addressVersion(text)).toBe(isIP(text));
});

describe("covering a server name", () => {
  test.each([
    ["the same name", ["a.example"], "a.example", true],
    ["another case", ["a.example"], "A.Example", true],
    ["a wildcard one label deep", ["*.example.org"], "www.example.org", true],
    ["a wildcard two labels deep", ["*.example.org"], "a.www.example.org", false],
    ["a wildcard's own parent", ["*.example.org"], "example.org", false],
    ["a partial wildcard", ["w*.example.org"], "www.example.org", false],
    ["a bare star", ["*"], "localhost", false],
    ["an IPv6 address in another spelling", ["2001:db8::1"], "2001:DB8:0::1", true],
    ["an address under a wildcard", ["*.0.2.1"], "192.0.2.1", false],
    ["nothing", [], "a.example", false],
  ])("%s", (_, names, serverName, covered) => {
    expect(namesCover(names, serverName)).toBe(covered);
  });
});
