import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Solver } from "../../../src/domain/issuer.ts";
import { challengeValue } from "../../../src/solvers/dns/challenge.ts";
import type { DnsOptions } from "../../../src/solvers/dns/options.ts";
import type { ProviderTraits, Zone } from "../../../src/solvers/dns/provider.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { challengeOf, describeDnsSolver } from "../../conformance/dnsProvider.ts";
import { describeSolver } from "../../conformance/solver.ts";
import { memoryDns, solverDependencies } from "../../support/dns/dependencies.ts";
import { type NameServer, startNameServer } from "../../support/dns/nameServer.ts";
import { type MemoryProvider, type Model, memoryProvider } from "../../support/dns/provider.ts";

const ZONE = "example.org";
const NAME = `_acme-challenge.www.${ZONE}`;
const signal = (): AbortSignal => new AbortController().signal;

/** A resolver and, on the same port, the authoritative servers that it names. */
let server: NameServer;
beforeEach(async () => {
  server = await startNameServer(
    [ZONE],
    [
      { name: ZONE, type: "NS", data: "ns1.example.org" },
      { name: "ns1.example.org", type: "A", data: "127.0.0.1" },
      { name: "www.example.org", type: "A", data: "192.0.2.1" },
    ],
  );
});
afterEach(() => server[Symbol.asyncDispose]());

function solverOf(
  provider: MemoryProvider,
  options: Partial<DnsOptions> = {},
  dependencies: Parameters<typeof solverDependencies>[0] = {},
): Solver {
  const resolvers = [{ kind: "dns" as const, address: server.address, port: server.port }];
  const made = solverDependencies({ dnsPort: server.port, ...dependencies });
  return dnsSolver(provider.kind).create({ resolvers, ...options }, made);
}

describe.each<Model>(["record", "blind", "rrset", "wholeZone"])("by the model %s", (model) => {
  describeSolver(`memory-${model}`, async () => {
    const provider = memoryProvider(model, [{ id: "z", name: ZONE }]);
    const solver = solverOf(provider, { propagation: { check: "none" } });
    return {
      solver,
      async published(challenge) {
        const wanted = [challengeValue(challenge), "somebody else's"];
        return provider.values(NAME).find((value) => wanted.includes(value)) ?? null;
      },
      expected: challengeValue,
      occupy: async (_challenge, value) => void provider.held.push({ name: NAME, value, id: "foreign" }),
      [Symbol.asyncDispose]: async () => undefined,
    };
  });

  describeDnsSolver(`memory-${model}`, async () => {
    const provider = memoryProvider(model, [{ id: "z", name: ZONE }]);
    return {
      zone: ZONE,
      solver: ({ dns }) => solverOf(provider, {}, { dns }),
      values: async (name) => provider.values(name),
      occupy: async (name, value) => void provider.held.push({ name, value, id: `foreign-${value}` }),
      [Symbol.asyncDispose]: async () => undefined,
    };
  });
});

describe("the row", () => {
  it("is there before the record, says whose it is, and goes after it", async () => {
    const [provider, dns] = [memoryProvider("record", [{ id: "z", name: ZONE }]), memoryDns()];
    const states: string[] = [];
    provider.beforeChange = () => void states.push([...dns.rows.values()].map(({ state }) => state).join());
    const solver = solverOf(provider, {}, { dns });
    const one = { ...challengeOf(`www.${ZONE}`), certificate: "www", renewalId: "r1" };
    await solver.present(one, signal());
    expect([...dns.rows.values()]).toMatchObject([
      { certificate: "www", renewalId: "r1", name: NAME, zoneId: "z", providerId: "id-1", state: "published" },
    ]);
    await solver.cleanUp(one, signal());
    expect(states).toEqual(["publishing", "published"]);
    expect(dns.rows.size).toBe(0);
  });

  it("stays when the answer is lost, and the next attempt neither doubles nor forgets the record", async () => {
    const [provider, dns] = [memoryProvider("record", [{ id: "z", name: ZONE }]), memoryDns()];
    const solver = solverOf(provider, {}, { dns });
    const one = challengeOf(`www.${ZONE}`);
    provider.afterChange = () => {
      provider.afterChange = () => undefined;
      throw new RenewalError("dns.unreachable", "the connection broke");
    };
    await expect(solver.present(one, signal())).rejects.toMatchObject({ code: "dns.unreachable" });
    expect([...dns.rows.values()]).toMatchObject([{ state: "publishing", providerId: null }]);
    await solver.present(one, signal());
    expect(provider.held).toHaveLength(1);
    await solver.cleanUp(one, signal());
    expect(provider.held).toEqual([]);
  });

  it("moves with the delegation: what an interrupted attempt published elsewhere becomes a leftover", async () => {
    const provider = memoryProvider("record", [
      { id: "z", name: ZONE },
      { id: "y", name: "example.net" },
    ]);
    const dns = memoryDns();
    const one = challengeOf(`www.${ZONE}`);
    provider.afterChange = () => {
      provider.afterChange = () => undefined;
      throw new RenewalError("dns.unreachable", "the connection broke");
    };
    await expect(solverOf(provider, {}, { dns }).present(one, signal())).rejects.toThrow("the connection broke");
    const moved = solverOf(provider, { follow: "moved.example.net", propagation: { check: "none" } }, { dns });
    await moved.present(one, signal());
    expect(await moved.readiness?.(one, signal())).toEqual({ ready: true, note: null });
    expect([...dns.rows.values()].map(({ name, state }) => [name, state])).toEqual([
      [NAME, "removing"],
      ["moved.example.net", "published"],
    ]);
    for (const row of await dns.records.leftovers(Date.now(), 9)) await moved.dns?.withdraw(row, signal());
    expect(provider.held.map(({ name }) => name)).toEqual(["moved.example.net"]);
    await moved.cleanUp(one, signal());
    expect([provider.held, dns.rows.size]).toEqual([[], 0]);
  });

  it("keeps a failed removal for later, with its reason and a growing pause", async () => {
    const [provider, dns] = [memoryProvider("rrset", [{ id: "z", name: ZONE }]), memoryDns()];
    const solver = solverOf(provider, {}, { dns, now: () => 1_000_000 });
    const one = challengeOf(`www.${ZONE}`);
    await solver.present(one, signal());
    provider.beforeChange = () => {
      throw new RenewalError("dns.unreachable", "down");
    };
    await expect(solver.cleanUp(one, signal())).rejects.toThrow("down");
    await expect(solver.cleanUp(one, signal())).rejects.toThrow("down");
    expect([...dns.rows.values()]).toMatchObject([
      { state: "removing", attempts: 2, nextAttemptAt: 1_120_000, errorCode: "dns.unreachable", errorMessage: "down" },
    ]);
  });
});

describe("room", () => {
  const busy = { code: "dns.busy", retryAt: expect.any(Number) };

  it("for one value at a name: the second order waits until the first is done", async () => {
    const [provider, dns] = [memoryProvider("record", [{ id: "z", name: ZONE }], { valuesPerName: 1 }), memoryDns()];
    const [first, second] = [solverOf(provider, {}, { dns }), solverOf(provider, {}, { dns })];
    const [one, other] = [challengeOf(`www.${ZONE}`), challengeOf(`www.${ZONE}`)];
    await first.present(one, signal());
    await expect(second.present(other, signal())).rejects.toMatchObject(busy);
    await second.present(challengeOf(`api.${ZONE}`), signal());
    expect(provider.values(NAME)).toEqual([challengeValue(one)]);
    await first.cleanUp(one, signal());
    await second.present(other, signal());
    expect(provider.values(NAME)).toEqual([challengeValue(other)]);
  });

  it("for one challenge at all: any other name waits", async () => {
    const [provider, dns] = [memoryProvider("record", [{ id: "z", name: ZONE }], { sequential: true }), memoryDns()];
    const solver = solverOf(provider, {}, { dns });
    const one = challengeOf(`www.${ZONE}`);
    await solver.present(one, signal());
    await expect(solver.present(challengeOf(`api.${ZONE}`), signal())).rejects.toMatchObject(busy);
    await solver.cleanUp(one, signal());
    await solver.present(challengeOf(`api.${ZONE}`), signal());
  });
});

describe("the zone", () => {
  const present = async (zones: readonly Zone[], name: string, options: Partial<DnsOptions> = {}): Promise<string> => {
    const [provider, dns] = [memoryProvider("record", zones), memoryDns()];
    await solverOf(provider, { follow: "never", ...options }, { dns }).present(challengeOf(name), signal());
    return [...dns.rows.values()].map(({ zoneId }) => zoneId).join();
  };

  it.each<[string, Zone[], string, string]>([
    [
      "the longest match",
      [
        { id: "a", name: "example.org" },
        { id: "b", name: "dev.example.org" },
      ],
      "x.dev.example.org",
      "b",
    ],
    [
      "a delegated challenge's own",
      [
        { id: "a", name: "example.org" },
        { id: "b", name: "_acme-challenge.www.example.org" },
      ],
      "www.example.org",
      "b",
    ],
    ["written with a final dot and in capitals", [{ id: "a", name: "Example.ORG." }], "www.example.org", "a"],
    [
      "internationalised, as the provider writes it",
      [{ id: "a", name: "bücher.example" }],
      "www.xn--bcher-kva.example",
      "a",
    ],
    [
      "public, beside a private one of its name",
      [
        { id: "p", name: "example.org", isPrivate: true },
        { id: "a", name: "example.org" },
      ],
      "www.example.org",
      "a",
    ],
  ])("is %s", async (_what, zones, name, expected) => {
    expect(await present(zones, name)).toBe(expected);
  });

  it("is refused when two have its name, and the option `zone` decides by id", async () => {
    const two = [
      { id: "a", name: ZONE },
      { id: "b", name: ZONE },
    ];
    await expect(present(two, `www.${ZONE}`)).rejects.toMatchObject({
      code: "dns.ambiguousZone",
      message: expect.stringContaining("(a, b)"),
    });
    expect(await present(two, `www.${ZONE}`, { zone: "b" })).toBe("b");
  });

  it("is never a neighbour's, nor a private one, and the message says what there is", async () => {
    const refused = { code: "dns.noZone" };
    await expect(present([{ id: "a", name: "ample.org" }], `www.${ZONE}`)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining("it has ample.org"),
    });
    await expect(present([{ id: "a", name: ZONE, isPrivate: true }], `www.${ZONE}`)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining("only private ones"),
    });
    await expect(present([], `www.${ZONE}`)).rejects.toMatchObject(refused);
  });

  it("decides whether the solver can answer for a name; what cannot be found out does not", async () => {
    const provider = memoryProvider("record", [{ id: "z", name: ZONE }]);
    const solver = solverOf(provider, { follow: "never" });
    const owns = (value: string) => solver.owns?.({ type: "dns", value }, signal());
    expect([await owns(`*.${ZONE}`), await owns("www.example.net")]).toEqual([true, false]);
    const refuse = (): never => {
      throw new RenewalError("dns.credentials", "refused");
    };
    const create: typeof provider.kind.create = (...made) => ({ ...provider.kind.create(...made), zones: refuse });
    const other = solverOf({ ...provider, kind: { ...provider.kind, create } }, { follow: "never" });
    expect(await other.owns?.({ type: "dns", value: "www.example.net" }, signal())).toBe(true);
  });

  it("is listed once for many names, and again for one that is missing", async () => {
    const provider = memoryProvider("record", [{ id: "z", name: ZONE }]);
    const solver = solverOf(provider, { follow: "never" });
    for (const host of ["a", "b", "c"]) await solver.present(challengeOf(`${host}.${ZONE}`), signal());
    expect(provider.calls.filter((call) => call === "zones")).toHaveLength(1);
    provider.zones.push({ id: "new", name: "example.net" });
    await solver.present(challengeOf("a.example.net"), signal());
    expect(provider.calls.filter((call) => call === "zones")).toHaveLength(2);
  });

  it("is the longest for each name, where the provider lists only what could hold the name that it is asked for", async () => {
    const [provider, dns] = [memoryProvider("record", [{ id: "z", name: ZONE }]), memoryDns()];
    provider.zones.push({ id: "deep", name: `dev.${ZONE}` });
    provider.listsByName = true;
    const solver = solverOf(provider, { follow: "never" }, { dns });
    for (const host of ["www", "www.dev"]) await solver.present(challengeOf(`${host}.${ZONE}`), signal());
    expect([...dns.rows.values()].map(({ zoneId }) => zoneId)).toEqual(["z", "deep"]);
    await solver.present(challengeOf(`www.${ZONE}`), signal());
    expect(provider.calls.filter((call) => call === "zones")).toHaveLength(2);
  });
});

describe("the TTL and the rate", () => {
  it.each<[string, number | undefined, number | undefined, number]>([
    ["60 s where nothing says otherwise", undefined, undefined, 60],
    ["as configured", 30, undefined, 30],
    ["raised to the provider's least", 30, 300, 300],
    ["raised from the default as well", undefined, 600, 600],
    ["as configured above the least", 900, 300, 900],
  ])("is %s", async (_, ttl, ttlMinS, expected) => {
    const provider = memoryProvider("record", [{ id: "z", name: ZONE }], ttlMinS === undefined ? {} : { ttlMinS });
    const solver = solverOf(provider, { follow: "never", ...(ttl !== undefined && { ttl }) });
    await solver.present(challengeOf(`www.${ZONE}`), signal());
    expect(provider.ttls).toEqual([expected]);
  });

  it("keeps a rate over all solvers of one credential, and gives the slot back when the wait is long", async () => {
    const traits: ProviderTraits = { rateLimit: { requests: 2, perMs: 3_600_000 } };
    const provider = memoryProvider("record", [{ id: "z", name: ZONE }], traits);
    const dns = memoryDns();
    const present = (host: string) =>
      solverOf(provider, { follow: "never" }, { dns }).present(challengeOf(`${host}.${ZONE}`), signal());
    await present("a");
    await present("b");
    await expect(present("c")).rejects.toMatchObject({ code: "dns.rateLimited", retryAt: expect.any(Number) });
  });

  it("asks nothing of a provider that wants silence, from any process", async () => {
    const [provider, dns] = [memoryProvider("record", [{ id: "z", name: ZONE }]), memoryDns()];
    const until = Date.now() + 3_000_000;
    provider.beforeChange = () => {
      throw new RenewalError("dns.rateLimited", "429", { retryAt: until });
    };
    const present = (host: string) =>
      solverOf(provider, { follow: "never" }, { dns }).present(challengeOf(`${host}.${ZONE}`), signal());
    await expect(present("a")).rejects.toMatchObject({ code: "dns.rateLimited", retryAt: until });
    const before = provider.calls.length;
    await expect(present("b")).rejects.toMatchObject({ code: "dns.rateLimited" });
    expect(provider.calls).toHaveLength(before);
  });
});
