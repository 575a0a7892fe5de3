import { describe, expect, test } from "vitest";
import { namesCover, readSubjectAltNames } from "../../src/tls/subjectAltNames.ts";

describe("reading subject alternative names", () => {
  test.each([
    ["names and addresses", "DNS:A.example, DNS:*.b.example, IP Address:192.0.2.1", ["a.example", "*.b.example", "192.0.2.1"]],
    ["an IPv6 address in OpenSSL's spelling", "IP Address:2001:DB8:0:0:0:0:0:1", ["2001:db8::1"]],
    ["a quoted entry that pretends to be two", 'DNS:"a.example, DNS:evil.example", DNS:b.example', ["a.example, dns:evil.example", "b.example"]],
    ["a name hidden in another kind of entry", 'URI:"http://x/, DNS:evil.example", DNS:b.example', ["b.example"]],
    ["kinds that are no server name", "email:a@b.example, URI:http://b.example/, othername:<unsupported>", []],
    ["no extension", undefined, []],
    ["an unterminated quote", 'DNS:a.example, DNS:"b', ["a.example", '"b']],
  ])("%s", (_, text, names) => {
    expect(readSubjectAltNames(text)).toEqual(names);
  });
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
