import { describe, expect, test } from "vitest";
import { type CheckInput, checkServed } from "../../src/tls/checks.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);
const GOOD: CheckInput = {
  served: {
    fingerprint: "aa",
    serial: "0A",
    subjectAltNames: ["a.example"],
    issuer: "CN=CA",
    notBefore: NOW - DAY,
    notAfter: NOW + 90 * DAY,
    chain: ["i1", "i2"],
  },
  expected: { fingerprint: "aa", serial: "0A", chain: ["i1", "i2"] },
  serverName: "a.example",
  covered: true,
  now: NOW,
};

function served(part: Partial<CheckInput["served"]>, rest: Partial<CheckInput> = {}): CheckInput {
  return { ...GOOD, served: { ...GOOD.served, ...part }, ...rest };
}

describe("what an address served", () => {
  test.each<[string, CheckInput]>([
    ["the expected pair", GOOD],
    ["anything valid for the name when nothing is expected", { ...GOOD, expected: null }],
    ["the issued chain with the root after it", served({ chain: ["i1", "i2", "root"] })],
    [
      "a leaf whose CA issued no chain",
      { ...served({ chain: [] }), expected: { fingerprint: "aa", serial: "0A", chain: [] } },
    ],
  ])("is accepted: %s", (_, input) => {
    expect(checkServed(input)).toBeNull();
  });

  test.each<[string, CheckInput, string, string]>([
    [
      "an older leaf",
      served({ fingerprint: "bb", serial: "0B" }),
      "verify.stale",
      "serves serial 0B until 2026-08-30T00:00:00Z, wanted serial 0A",
    ],
    [
      "an older leaf that expired",
      served({ fingerprint: "bb", serial: "0B", notAfter: NOW - DAY }),
      "verify.stale",
      "serves serial 0B that expired 2026-05-31T00:00:00Z, wanted serial 0A",
    ],
    [
      "another name's certificate",
      served(
        { fingerprint: "bb", serial: "0B", subjectAltNames: ["x.example", "y.example", "z.example", "w.example"] },
        { covered: false },
      ),
      "verify.wrongCertificate",
      "asked for a.example, it serves serial 0B issued by CN=CA for only x.example, y.example, z.example and 1 more: " +
        "probably the default certificate of another server block",
    ],
    [
      "a certificate without names",
      served({ fingerprint: "bb", subjectAltNames: [], issuer: "" }, { covered: false }),
      "verify.wrongCertificate",
      "asked for a.example, it serves serial 0A issued by an unnamed issuer for no names: " +
        "probably the default certificate of another server block",
    ],
    [
      "the leaf before its time",
      served({ notBefore: NOW + 1 }),
      "verify.notValid",
      "serves serial 0A, which is not valid before 2026-06-01T00:00:00Z",
    ],
    [
      "the leaf at its last instant",
      served({ notAfter: NOW }),
      "verify.notValid",
      "serves serial 0A, which expired 2026-06-01T00:00:00Z",
    ],
    [
      "an expired leaf when nothing is expected",
      served({ notAfter: NOW }, { expected: null }),
      "verify.notValid",
      "serves serial 0A, which expired 2026-06-01T00:00:00Z",
    ],
    [
      "no chain",
      served({ chain: [] }),
      "verify.badChain",
      "serves the leaf without its intermediate certificates (2 issued, 0 served, 2 missing)",
    ],
    [
      "a shorter chain",
      served({ chain: ["i1"] }),
      "verify.badChain",
      "serves other intermediate certificates than were issued (2 issued, 1 served, 1 missing)",
    ],
    [
      "a chain in another order",
      served({ chain: ["i2", "i1"] }),
      "verify.badChain",
      "serves the intermediate certificates out of order (2 issued, 2 served, 0 missing)",
    ],
    [
      "a foreign chain",
      served({ chain: ["x1", "x2"] }),
      "verify.badChain",
      "serves other intermediate certificates than were issued (2 issued, 2 served, 2 missing)",
    ],
    [
      "a date that cannot be read",
      served({ fingerprint: "bb", notAfter: Number.NaN }),
      "verify.stale",
      "serves serial 0A until an unreadable date, wanted serial 0A",
    ],
  ])("is refused: %s", (_, input, code, message) => {
    expect(checkServed(input)).toEqual({ code, message });
  });
});
