import { expect, it } from "vitest";
import { checkCaa, createCaaLookup } from "../../src/acme/caa.ts";
import { named } from "../support/dns/dependencies.ts";
import { identifierOf } from "../support/identifier.ts";
import { startDnsServer } from "../support/servers/dnsServer.ts";

const RECORDS = {
  "closed.example": [{ tag: "issue", value: ";" }],
  "other.example": [{ tag: "issue", value: "other-ca.example; accounturi=x" }],
  "ours.example": [
    { tag: "issue", value: "other-ca.example" },
    { tag: "issue", value: "CA.example" },
  ],
  "wild.example": [
    { tag: "issue", value: "ca.example" },
    { tag: "issuewild", value: ";" },
  ],
  "dns.example": [{ tag: "issue", value: "ca.example; validationmethods=dns-01,tls-alpn-01" }],
  "http.example": [{ tag: "issue", value: "ca.example;validationmethods = dns-01,http-01" }],
  "mine.example": [
    { tag: "issue", value: "ca.example; accounturi=https://ca.example/acct/7; validationmethods=http-01" },
  ],
  "yours.example": [{ tag: "issue", value: "ca.example; accounturi=https://ca.example/acct/8" }],
  "both.example": [
    { tag: "issue", value: "ca.example; accounturi=https://ca.example/acct/8" },
    { tag: "ISSUE", value: "ca.example; accounturi=https://ca.example/acct/7" },
  ],
  "twice.example": [
    { tag: "issue", value: "ca.example; accounturi=https://ca.example/acct/7; accounturi=https://ca.example/acct/7" },
  ],
  "unread.example": [{ tag: "issue", value: "ca.example; nonsense" }],
  "policy.example": [{ tag: "issue", value: "ca.example; policy=ev" }],
  "strange.example": [
    { tag: "issue", value: "ca.example" },
    { critical: true, tag: "futuretag", value: "x" },
  ],
  "odd.example": [
    { critical: true, tag: "issue", value: "ca.example" },
    { tag: "futuretag", value: "x" },
  ],
  "report.example": [{ tag: "iodef", value: "mailto:ops@report.example" }],
  "broken.example": "broken",
} as const;

const SOLVERS = [named({ challengeType: "http-01", present: async () => {}, cleanUp: async () => {} })];
const SUBSCRIBER = { identities: ["ca.example"], accountUrl: "https://ca.example/acct/7", solvers: SOLVERS };

it.each<[string, string | null, string | null]>([
  ["www.closed.example", "closed.example does not permit ca.example", null],
  ["deep.www.other.example", "other.example does not permit", null],
  ["www.ours.example", null, null],
  ["www.wild.example", null, null],
  ["*.wild.example", "wild.example does not permit", null],
  ["www.dns.example", "dns.example permits ca.example only by dns-01,tls-alpn-01", null],
  ["www.http.example", null, null],
  ["www.mine.example", null, null],
  ["www.yours.example", "yours.example permits ca.example only to account https://ca.example/acct/8", null],
  ["www.both.example", null, null],
  ["www.twice.example", "twice.example permits ca.example with parameters that cannot be fulfilled", null],
  ["www.unread.example", "unread.example permits ca.example with parameters that cannot be fulfilled", null],
  ["www.policy.example", null, null],
  ["www.strange.example", "strange.example forbids all that do not know its critical property futuretag", null],
  ["www.odd.example", null, null],
  ["www.report.example", null, null],
  ["www.free.example", null, null],
  ["www.broken.example", null, "www.broken.example could not be looked up"],
  ["192.0.2.1", null, null],
])("CAA of %s: forbidden %s, unknown %s", async (name, forbidden, unknown) => {
  await using dns = await startDnsServer(RECORDS);
  const verdict = await checkCaa(
    [identifierOf(name)],
    SUBSCRIBER,
    createCaaLookup([dns.address]),
    new AbortController().signal,
  );
  expect(verdict.forbidden).toEqual(forbidden === null ? null : expect.stringContaining(forbidden));
  expect(verdict.unknown).toEqual(unknown === null ? null : expect.stringContaining(unknown));
});

it("a record that names an account keeps out whoever has none yet", async () => {
  await using dns = await startDnsServer(RECORDS);
  const lookup = createCaaLookup([dns.address]);
  const verdict = await checkCaa(
    [identifierOf("mine.example")],
    { ...SUBSCRIBER, accountUrl: null },
    lookup,
    new AbortController().signal,
  );
  expect(verdict.forbidden).toContain("only to account https://ca.example/acct/7");
});
