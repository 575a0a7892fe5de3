import { describe, expect, test } from "vitest";
import { readSubjectAltNames } from "../../src/tls/subjectAltNames.ts";

describe("reading subject alternative names", () => {
  test.each([
    [
      "names and addresses",
      "DNS:A.example, DNS:*.b.example, IP Address:192.0.2.1",
      ["a.example", "*.b.example", "192.0.2.1"],
    ],
    ["an IPv6 address in OpenSSL's spelling", "IP Address:2001:DB8:0:0:0:0:0:1", ["2001:db8::1"]],
    [
      "a quoted entry that pretends to be two",
      'DNS:"a.example, DNS:evil.example", DNS:b.example',
      ["a.example, dns:evil.example", "b.example"],
    ],
    ["a name hidden in another kind of entry", 'URI:"http://x/, DNS:evil.example", DNS:b.example', ["b.example"]],
    ["kinds that are no server name", "email:a@b.example, URI:http://b.example/, othername:<unsupported>", []],
    ["no extension", undefined, []],
    ["an unterminated quote", 'DNS:a.example, DNS:"b', ["a.example", '"b']],
  ])("%s", (_, text, names) => {
    expect(readSubjectAltNames(text)).toEqual(names);
  });
});
