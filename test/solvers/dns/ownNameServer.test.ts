import { Resolver } from "node:dns/promises";
import { expect, it } from "vitest";
import type { DnsRecord, DnsStore } from "../../../src/domain/dnsRecord.ts";
import { challengeValue } from "../../../src/solvers/dns/challenge.ts";
import { delegatedName, dnsServer, servedZones, storedValues } from "../../../src/solvers/dns/server/kind.ts";
import { startDnsServer } from "../../../src/solvers/dns/server/server.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { describeDnsSolver } from "../../conformance/dnsProvider.ts";
import { describeSolver } from "../../conformance/solver.ts";
import { memoryDns, solverDependencies } from "../../support/dns/dependencies.ts";

const NAME = delegatedName("www.example.org", "acme.example.org");
const solver = dnsSolver(dnsServer);
const options = solver.options.parse({
  domains: ["acme.example.org"],
  nameServers: { "ns1.acme.example.org": ["192.0.2.1"] },
  // Where the CNAME leads to, without asking DNS for it.
  follow: NAME,
});

describeSolver("dns-server", async () => {
  const dns = memoryDns();
  const server = await startDnsServer({
    hosts: ["127.0.0.1"],
    port: 0,
    zones: () => servedZones(options),
    lookUp: storedValues(dns.records, Date.now),
  });
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${server.port}`]);
  return {
    solver: solver.create(options, solverDependencies({ dns })),
    async published(challenge) {
      const found = await resolver.resolveTxt(NAME).catch(() => []);
      return found.flat().find((value) => value === challengeValue(challenge)) ?? null;
    },
    expected: (challenge) => challengeValue(challenge),
    occupy: null,
    [Symbol.asyncDispose]: () => server.close(),
  };
});

describeDnsSolver("dns-server", async () => {
  let dns: Pick<DnsStore, "records"> = memoryDns();
  const own = solver.options.parse({
    domains: ["acme.example.org"],
    nameServers: { "ns1.acme.example.org": ["192.0.2.1"] },
    follow: "never",
  });
  const server = await startDnsServer({
    hosts: ["127.0.0.1"],
    port: 0,
    zones: () => servedZones(own),
    lookUp: (name, zone) => storedValues(dns.records, Date.now)(name, zone),
  });
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${server.port}`]);
  return {
    zone: "acme.example.org",
    solver(dependencies) {
      dns = dependencies.dns;
      return solver.create(own, solverDependencies(dependencies));
    },
    values: async (name) => (await resolver.resolveTxt(name).catch(() => [])).flat(),
    // Only rows of the engine are served.
    occupy: null,
    [Symbol.asyncDispose]: () => server.close(),
  };
});

function row(id: string, value: string): DnsRecord {
  return {
    ...{ id, solver: "own", identifier: "www.example.org", name: NAME, value, providerId: null },
    ...{ zoneId: "acme.example.org", zoneName: "acme.example.org", certificate: null, renewalId: null, client: null },
    ...{ state: "publishing", createdAt: 0, publishedAt: null, expiresAt: Date.now() + 60_000 },
    ...{ attempts: 0, nextAttemptAt: null, errorCode: null, errorMessage: null },
  };
}

it("a value is served until it is being removed or has expired, and in its own zone alone", async () => {
  const dns = memoryDns();
  const [zone] = servedZones(options);
  if (zone === undefined) throw new Error("no zone");
  const lookUp = storedValues(dns.records, () => 1_000);
  await dns.records.insert({ ...row("1", "v"), expiresAt: 2_000 });
  expect(await lookUp(NAME, zone)).toEqual(["v"]);
  expect(await lookUp(NAME, { ...zone, name: "other.example.org" })).toEqual([]);
  expect(await storedValues(dns.records, () => 2_000)(NAME, zone)).toEqual([]);
  await dns.records.update("1", { state: "removing" });
  expect(await lookUp(NAME, zone)).toEqual([]);
});

it("the name in the delegated zone is short, one for each name, and never changes", () => {
  expect(NAME).toMatch(/^[a-z2-7]{26}\.acme\.example\.org$/);
  expect(delegatedName("WWW.example.org", "acme.example.org")).toBe(NAME);
  expect(delegatedName("example.org", "acme.example.org")).not.toBe(NAME);
});
