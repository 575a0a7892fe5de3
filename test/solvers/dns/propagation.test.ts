import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Readiness, Solver } from "../../../src/domain/issuer.ts";
import { challengeValue } from "../../../src/solvers/dns/challenge.ts";
import type { DnsOptions } from "../../../src/solvers/dns/options.ts";
import type { ProviderTraits } from "../../../src/solvers/dns/provider.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { challengeOf } from "../../conformance/dnsProvider.ts";
import { solverDependencies } from "../../support/dns/dependencies.ts";
import { type NameServer, startNameServer, type TestRecord } from "../../support/dns/nameServer.ts";
import { type MemoryProvider, memoryProvider } from "../../support/dns/provider.ts";

const ZONE = "example.org";
const NAME = `_acme-challenge.www.${ZONE}`;
const WWW = challengeOf(`www.${ZONE}`);
const signal = (): AbortSignal => new AbortController().signal;

const RECORDS: readonly TestRecord[] = [
  { name: ZONE, type: "NS", data: "ns1.example.org" },
  { name: ZONE, type: "NS", data: "ns2.example.org" },
  { name: "ns1.example.org", type: "A", data: "127.0.0.1" },
  { name: "ns2.example.org", type: "A", data: "127.0.0.2" },
  { name: `www.${ZONE}`, type: "A", data: "192.0.2.1" },
];

let first: NameServer;
let second: NameServer;
let now: number;
let provider: MemoryProvider;
beforeEach(async () => {
  first = await startNameServer([ZONE], RECORDS);
  second = await startNameServer([ZONE], RECORDS, { address: "127.0.0.2", port: first.port });
  now = 1_000_000;
  provider = memoryProvider("record", [{ id: "z", name: ZONE }]);
});
afterEach(() => Promise.all([first, second].map((server) => server[Symbol.asyncDispose]())));

function solverOf(options: Partial<DnsOptions> = {}, traits: ProviderTraits = {}): Solver {
  const kind = { ...provider.kind, traits };
  const resolvers = [{ kind: "dns" as const, address: first.address, port: first.port }];
  return dnsSolver(kind).create({ resolvers, ...options }, solverDependencies({ dnsPort: first.port, now: () => now }));
}

const txt = (value = challengeValue(WWW), name = NAME): TestRecord => ({ name, type: "TXT", data: value });
const readiness = async (solver: Solver): Promise<Readiness | undefined> => solver.readiness?.(WWW, signal());

describe("propagation", () => {
  it("is complete when every authoritative server has the value, and not before", async () => {
    const solver = solverOf();
    await solver.present(WWW, signal());
    expect(await readiness(solver)).toMatchObject({ ready: false, why: expect.stringContaining("does not have it") });
    first.records.push(txt());
    expect(await readiness(solver)).toMatchObject({
      ready: false,
      why: `ns2.example.org (127.0.0.2:${first.port}) does not have it`,
    });
    second.records.push(txt("another value"), txt());
    expect(await readiness(solver)).toEqual({ ready: true, note: null });
  });

  it("is seen over TCP where UDP is cut off", async () => {
    const solver = solverOf();
    await solver.present(WWW, signal());
    first.records.push(txt());
    second.records.push(txt());
    second.fault = { truncates: true };
    expect(await readiness(solver)).toEqual({ ready: true, note: null });
    expect(second.asked).toContain(`TCP TXT ${NAME}`);
  });

  it("fails when a server stays behind, and names it; the time is the provider's, not the order's", async () => {
    const solver = solverOf({}, { propagationMaxMs: 3_600_000 });
    await solver.present(WWW, signal());
    first.records.push(txt());
    now += 3_599_000;
    expect(await readiness(solver)).toMatchObject({ ready: false });
    now += 2_000;
    await expect(readiness(solver)).rejects.toMatchObject({
      code: "dns.notPropagated",
      message: expect.stringContaining("ns2.example.org (127.0.0.2"),
    });
  });

  it("names the server that answers SERVFAIL", async () => {
    const solver = solverOf();
    await solver.present(WWW, signal());
    first.records.push(txt());
    second.fault = { fails: true };
    expect(await readiness(solver)).toMatchObject({
      ready: false,
      why: expect.stringMatching(/ns2.*answers SERVFAIL/),
    });
  });

  it("goes on with a note after a bounded wait when a server cannot be reached from here", async () => {
    const solver = solverOf();
    await solver.present(WWW, signal());
    first.records.push(txt());
    await second[Symbol.asyncDispose]();
    second = await startNameServer([], []);
    expect(await readiness(solver)).toMatchObject({ ready: false, why: expect.stringContaining("cannot be reached") });
    now += 60_000;
    expect(await readiness(solver)).toMatchObject({
      ready: true,
      note: expect.stringMatching(/ns2\.example\.org .* cannot be reached.*the CA is asked anyway/),
    });
  });

  it("does not wait for a server that cannot be reached where one source answers at all of them", async () => {
    const solver = solverOf({}, { oneSource: true });
    await solver.present(WWW, signal());
    await second[Symbol.asyncDispose]();
    second = await startNameServer([], []);
    expect(await readiness(solver), "nobody has it").toMatchObject({ ready: false });
    first.records.push(txt());
    const note = expect.stringMatching(/is published, although ns2\.example\.org .* cannot be reached/);
    expect(await readiness(solver)).toMatchObject({ ready: true, note });
  });

  it("waits for a server of one source that contradicts the others", async () => {
    const solver = solverOf({}, { oneSource: true });
    await solver.present(WWW, signal());
    first.records.push(txt());
    expect(await readiness(solver)).toMatchObject({
      ready: false,
      why: expect.stringMatching(/ns2.*does not have it/),
    });
  });

  it("pauses longer the longer it takes, so that a slow provider is not asked for an hour without end", async () => {
    const solver = solverOf({}, { propagationMaxMs: 3_600_000 });
    await solver.present(WWW, signal());
    const pauses: number[] = [];
    for (const passed of [0, 40_000, 1_200_000]) {
      now = 1_000_000 + passed;
      const found = await readiness(solver);
      if (found?.ready === false) pauses.push(found.retryAt - now);
    }
    expect(pauses).toEqual([1_000, 10_000, 300_000]);
  });

  it("waits a configured delay first and asks nobody meanwhile", async () => {
    const solver = solverOf({ follow: "never", propagation: { delay: 20_000, check: "none" } });
    await solver.present(WWW, signal());
    expect(await readiness(solver)).toMatchObject({ ready: false, retryAt: now + 20_000 });
    now += 20_000;
    expect(await readiness(solver)).toEqual({ ready: true, note: null });
    expect(first.asked).toEqual([]);
  });

  it("asks only the chosen resolvers when told so", async () => {
    const solver = solverOf({ propagation: { check: "resolvers" } });
    await solver.present(WWW, signal());
    first.records.push(txt());
    expect(await readiness(solver)).toEqual({ ready: true, note: null });
  });

  it("believes a provider that knows it better", async () => {
    const states: ("pending" | "done")[] = ["pending", "done"];
    provider = memoryProvider("rrset", [{ id: "z", name: ZONE }]);
    provider.status = async (_zone, change) => (change.startsWith("change-") ? (states.shift() ?? "done") : "pending");
    const solver = solverOf();
    await solver.present(WWW, signal());
    expect(await readiness(solver)).toMatchObject({ ready: false, why: "the provider is still spreading it" });
    expect(await readiness(solver)).toEqual({ ready: true, note: null });
  });

  it("is not checked for an answer that was removed meanwhile", async () => {
    await expect(readiness(solverOf())).rejects.toMatchObject({ code: "solver.failed" });
  });
});

describe("delegation", () => {
  const present = async (options: Partial<DnsOptions> = {}): Promise<string> => {
    const solver = solverOf(options);
    await solver.present(WWW, signal());
    return provider.held.map(({ name }) => name).join();
  };
  const alias = (name: string, data: string): TestRecord => ({ name, type: "CNAME", data });

  beforeEach(() => {
    first.zones.push("acme.example.net");
    provider.zones.push({ id: "acme", name: "acme.example.net" });
  });

  it("follows a CNAME that exists, over several hops", async () => {
    first.records.push(alias(NAME, "one.acme.example.net"), alias("one.acme.example.net", "two.acme.example.net"));
    second.records.push(alias(NAME, "one.acme.example.net"));
    expect(await present()).toBe("two.acme.example.net");
  });

  it("does not follow a wildcard's CNAME, which vanishes when the record is created", async () => {
    for (const server of [first, second]) server.records.push(alias(`*.www.${ZONE}`, "catch-all.acme.example.net"));
    expect(await present()).toBe(NAME);
  });

  it("follows nothing when told so, and goes where it is told without asking", async () => {
    for (const server of [first, second]) server.records.push(alias(NAME, "one.acme.example.net"));
    expect(await present({ follow: "never" })).toBe(NAME);
    provider.held.splice(0);
    expect(await present({ follow: "fixed.acme.example.net" })).toBe("fixed.acme.example.net");
  });

  it("goes into no zone that the solver does not own, and shows the way", async () => {
    for (const server of [first, second]) server.records.push(alias(NAME, "x.stranger.example"));
    await expect(present()).rejects.toMatchObject({
      code: "dns.delegation",
      message: expect.stringContaining(`${NAME} → x.stranger.example: `),
    });
    expect(provider.held).toEqual([]);
  });

  it("gives up on a circle", async () => {
    for (const server of [first, second])
      server.records.push(alias(NAME, "one.acme.example.net"), alias("one.acme.example.net", NAME));
    await expect(present()).rejects.toMatchObject({
      code: "dns.delegation",
      message: expect.stringContaining("circle"),
    });
  });

  it("uses the provider's list when DNS does not answer here", async () => {
    first.fault = { fails: true };
    second.fault = { fails: true };
    expect(await present()).toBe(NAME);
  });

  it("asks no resolver for the challenge's name before it exists, as the resolver would remember that", async () => {
    await present();
    const resolver = first.asked.filter((question) => question.includes(NAME) && !question.includes("CNAME"));
    expect(resolver).toEqual([]);
  });
});
