import { expect, it } from "vitest";
import { checkCaa, createCaaLookup } from "../../src/acme/caa.ts";
import { identifierOf } from "../../src/domain/identifier.ts";
import { startDnsServer } from "../support/dnsServer.ts";

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
  "report.example": [{ tag: "iodef", value: "mailto:ops@report.example" }],
  "broken.example": "broken",
} as const;

it.each<[string, string | null, string | null]>([
  ["www.closed.example", "closed.example does not permit ca.example", null],
  ["deep.www.other.example", "other.example does not permit", null],
  ["www.ours.example", null, null],
  ["www.wild.example", null, null],
  ["*.wild.example", "wild.example does not permit", null],
  ["www.report.example", null, null],
  ["www.free.example", null, null],
  ["www.broken.example", null, "www.broken.example could not be looked up"],
  ["192.0.2.1", null, null],
])("CAA of %s: forbidden %s, unknown %s", async (name, forbidden, unknown) => {
  await using dns = await startDnsServer(RECORDS);
  const verdict = await checkCaa([identifierOf(name)], ["ca.example"], createCaaLookup([dns.address]), new AbortController().signal);
  expect(verdict.forbidden).toEqual(forbidden === null ? null : expect.stringContaining(forbidden));
  expect(verdict.unknown).toEqual(unknown === null ? null : expect.stringContaining(unknown));
});
