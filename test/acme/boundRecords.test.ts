import { expect, it } from "vitest";
import { boundRecords } from "../../src/acme/boundRecords.ts";
import { RenewalError } from "../../src/domain/errors.ts";

const [FROM, TO] = ["https://ca.example/acct/1", "https://ca.example/acct/2"];
const RECORDS: Readonly<Record<string, readonly { critical: boolean; tag: string; value: string }[]>> = {
  "example.org": [
    { critical: false, tag: "issue", value: `ca.example; validationmethods=dns-01; accounturi=${FROM}` },
    { critical: true, tag: "issuewild", value: `ca.example; accounturi=${FROM}` },
    { critical: false, tag: "issue", value: `ca.example; accounturi=${FROM}0` },
    { critical: false, tag: "issue", value: "other.example" },
    { critical: false, tag: "iodef", value: `mailto:a@example.org?accounturi=${FROM}` },
  ],
  "free.example": [],
};
const standing = {
  issuerDomainNames: ["ca.example"],
  ...{ accountUrl: TO, keyThumbprint: "t", accountHashPrefix: null },
};
const name = (domain: string, more = {}) => ({ domain, wildcard: false, standing: false, ...more });

it("names every record that is bound to the lost account as it has to be from now on, each once", async () => {
  const asked: string[] = [];
  const lookup = async (at: string) => {
    asked.push(at);
    if (at === "dark.example") throw new RenewalError("dns.unreachable", "no answer");
    return RECORDS[at] ?? [];
  };
  const names = [
    ...[name("www.example.org"), name("a.example.org"), name("free.example"), name("dark.example")],
    name("own.example", { standing: true, wildcard: true }),
  ];
  const found = await boundRecords(names, { from: FROM, to: TO, standing }, lookup, AbortSignal.timeout(5_000));
  expect(found).toEqual({
    lines: [
      `_validation-persist.own.example. IN TXT "ca.example; accounturi=${TO}; policy=wildcard"`,
      `example.org. IN CAA 0 issue "ca.example; validationmethods=dns-01; accounturi=${TO}"`,
      `example.org. IN CAA 128 issuewild "ca.example; accounturi=${TO}"`,
    ],
    unchecked: 1,
  });
  expect(
    asked.filter((each) => each === "example.org"),
    "the tree is climbed once",
  ).toHaveLength(1);
});
