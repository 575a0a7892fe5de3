import { describe, expect, test } from "vitest";
import { namesCover } from "../../src/domain/identifier.ts";

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
