import { describe, expect, test } from "vitest";
import { checkHostAndPort } from "../../src/config/schema/endpoints.ts";
import { checkIdentifier } from "../../src/config/schema/identifiers.ts";

const LABEL = "a".repeat(63);

describe("identifiers", () => {
  test.each([
    ["a name", "www.example.org", "dns", "www.example.org"],
    ["upper case", "WWW.Example.ORG", "dns", "www.example.org"],
    ["a single label, as private CAs issue", "localhost", "dns", "localhost"],
    ["a wildcard", "*.example.org", "dns", "*.example.org"],
    ["a U-label", "bücher.example.org", "dns", "xn--bcher-kva.example.org"],
    ["a wildcard above a U-label", "*.bücher.example", "dns", "*.xn--bcher-kva.example"],
    ["an A-label", "xn--bcher-kva.example", "dns", "xn--bcher-kva.example"],
    ["the longest label", `${LABEL}.org`, "dns", `${LABEL}.org`],
    ["digits in front", "1.2.3.example", "dns", "1.2.3.example"],
    ["an IPv4 address", "192.0.2.1", "ip", "192.0.2.1"],
    ["an IPv6 address in a long spelling", "2001:DB8:0:0::1", "ip", "2001:db8::1"],
  ])("%s", (_, text, type, value) => {
    expect(checkIdentifier(text)).toEqual({ value: { type, value } });
  });

  test.each([
    ["nothing", "", "DNS name"],
    ["a space", "a b.example", "DNS name"],
    ["a shell's separator", "a.example;reboot", "DNS name"],
    ["a command substitution", "$(reboot).example", "DNS name"],
    ["a newline", "a.example\n", "DNS name"],
    ["a NUL", "a\0.example", "DNS name"],
    ["a path", "../../etc/passwd", "DNS name"],
    ["a URL", "https://www.example.org/", "DNS name"],
    ["a port", "www.example.org:443", "DNS name"],
    ["an underscore", "_acme.example.org", "DNS name"],
    ["percent-encoding beside a U-label", "bü%2echer.example", "DNS name"],
    ["a direction override", "exam\u202eple.org", "DNS name"],
    ["a hyphen that could be an option", "-rf.example.org", "hyphen"],
    ["a hyphen at a label's end", "a-.example.org", "hyphen"],
    ["a label of 64", `${LABEL}a.org`, "63"],
    ["a U-label of more than 63 as an A-label", `${"ü".repeat(62)}.org`, "internationalised|63"],
    ["254 characters", `${`${LABEL}.`.repeat(3)}${"a".repeat(58)}.org`, "253"],
    ["a million characters", "ü".repeat(1_000_000), "253"],
    ["an empty label", "a..example", "empty label"],
    ["a dot in front", ".example.org", "empty label"],
    ["a dot at the end", "www.example.org.", "without the dot"],
    ["a wildcard inside", "www.*.example.org", "wildcard"],
    ["a partial wildcard", "w*.example.org", "wildcard"],
    ["a bare star", "*", "wildcard"],
    ["two wildcards", "*.*.example.org", "wildcard"],
    ["a broken A-label", "xn--a.example", "internationalised"],
    ["an address with a number too few", "192.0.2", "IP address"],
    ["an address in hexadecimal", "0x7f.0x1", "IP address"],
    ["a full-width address", "１２７.0.0.1", "IP address|internationalised"],
    ["an address with a zone", "fe80::1%eth0", "zone"],
  ])("refuses %s", (_, text, message) => {
    expect(checkIdentifier(text)).toEqual({ problem: expect.stringMatching(message) });
  });
});

describe("host and port", () => {
  test.each([
    ["www.example.org:8443", "www.example.org", 8443],
    ["www.example.org", "www.example.org", 443],
    ["192.0.2.1:443", "192.0.2.1", 443],
    ["[2001:DB8::1]:443", "2001:db8::1", 443],
    ["[::1]", "::1", 443],
    ["my_service:443", "my_service", 443],
    ["bücher.example:443", "xn--bcher-kva.example", 443],
  ])("%s", (text, host, port) => {
    expect(checkHostAndPort(text, 443)).toEqual({ value: { host, port } });
  });

  test.each([
    ["a port beyond the last", "a.example:65536", "65535"],
    ["port 0", "a.example:0", "65535"],
    ["no number", "a.example:https", "host:port"],
    ["an empty port", "a.example:", "host:port"],
    ["IPv6 without brackets", "2001:db8::1:443", "brackets"],
    ["brackets around a name", "[a.example]:443", "IPv6"],
    ["no host", ":443", "name a host"],
    ["a URL", "https://a.example", "host:port"],
    ["a path", "a.example/x:443", "DNS name"],
  ])("refuses %s", (_, text, message) => {
    expect(checkHostAndPort(text, 443)).toEqual({ problem: expect.stringContaining(message) });
  });

  test("a port can be demanded", () => {
    expect(checkHostAndPort("a.example", null)).toEqual({ problem: expect.stringContaining("host:port") });
  });
});
