// Every provider behind the engine: what any DNS solver promises.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { challengeValue } from "../../../../src/solvers/dns/challenge.ts";
import { DNS_KINDS } from "../../../../src/solvers/index.ts";
import { challengeOf, describeDnsSolver } from "../../../conformance/dnsProvider.ts";
import { memoryDns } from "../../../support/dns/dependencies.ts";
import { PROVIDERS, startProvider } from "./subjects.ts";

/** Those without an HTTP API, or with less than the suite asks for. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "acme-dns": "conformance.full.test.ts",
  "dns-server": "../ownNameServer.test.ts",
  rfc2136: "../rfc2136.full.test.ts",
  ...Object.fromEntries(
    ["exec", "httpreq", "certbot-hooks", "acme.sh"].map((type) => [type, "../bridges/conformance.full.test.ts"]),
  ),
};

it("every kind of DNS solver runs the suite, here or where it is said", async () => {
  const known = DNS_KINDS.map(({ type }) => type);
  expect([...PROVIDERS, ...Object.keys(ELSEWHERE)].toSorted()).toEqual(known.toSorted());
  for (const [type, file] of Object.entries(ELSEWHERE)) {
    const text = await readFile(join(import.meta.dirname, file), "utf8");
    expect(text, `${type} in ${file}`).toMatch(new RegExp(`\\b${type.replace(".", "\\.")}\\b`));
    expect(text, file).toContain("describeDnsSolver(");
  }
});

for (const type of PROVIDERS) describeDnsSolver(type, () => startProvider(type));

it("acme-dns holds the two newest values of its one name, and gets a third when one of them is given up", async () => {
  const NAME = "sub.one.example";
  await using subject = await startProvider("acme-dns", { follow: NAME });
  const [dns, { signal }] = [memoryDns(), new AbortController()];
  const [apex, wildcard, other] = [challengeOf("a.example"), challengeOf("a.example"), challengeOf("b.example")];
  await Promise.all([apex, wildcard].map((each) => subject.solver({ dns }).present(each, signal)));
  await expect(subject.solver({ dns }).present(other, signal)).rejects.toMatchObject({ code: "dns.busy" });
  expect((await subject.values(NAME)).toSorted()).toEqual([apex, wildcard].map(challengeValue).toSorted());
  await subject.solver({ dns }).cleanUp(apex, signal);
  await subject.solver({ dns }).present(other, signal);
  expect(await subject.values(NAME)).toContain(challengeValue(other));
  for (const each of [wildcard, other]) await subject.solver({ dns }).cleanUp(each, signal);
  expect(dns.rows.size).toBe(0);
});
