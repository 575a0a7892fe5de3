import { describe, expect, it } from "vitest";
import type { Solver } from "../../../src/domain/issuer.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { challengeValue } from "../../../src/solvers/dns/challenge.ts";
import { ask } from "../../../src/solvers/dns/client.ts";
import type { DnsDependencies } from "../../../src/solvers/dns/dependencies.ts";
import { rfc2136 } from "../../../src/solvers/dns/providers/rfc2136.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { challengeOf, describeDnsSolver } from "../../conformance/dnsProvider.ts";
import { describeSolver } from "../../conformance/solver.ts";
import { memoryDns, solverDependencies } from "../../support/dns/dependencies.ts";
import { startBind, startKnot, type TsigServer } from "../../support/servers/nameServers.ts";

const ZONE = "example.org";
const NAME = `_acme-challenge.www.${ZONE}`;
const signal = (): AbortSignal => new AbortController().signal;
const plugin = dnsSolver(rfc2136);

function solverAt(server: TsigServer, change: object = {}, dependencies: Partial<DnsDependencies> = {}): Solver {
  const at = `${server.address}:${server.port}`;
  const options = { server: at, keyName: server.keyName, secret: "env:KEY", resolvers: [at], ...change };
  return plugin.create(
    plugin.options.parse(options),
    solverDependencies({ dnsPort: server.port, secret: async () => new Secret(server.secret), ...dependencies }),
  );
}

async function serialAt({ address, port }: TsigServer): Promise<unknown> {
  const server = { kind: "dns", address, port } as const;
  const { answers } = await ask(server, { name: ZONE, type: "SOA" }, { recurse: false }, signal());
  return answers[0]?.type === "SOA" ? answers[0].data.serial : null;
}

describe.each([
  ["BIND", startBind],
  ["Knot", startKnot],
])("at %s", (name, start) => {
  describeSolver(`rfc2136 at ${name}`, async () => {
    const server = await start({ zone: ZONE });
    return {
      solver: solverAt(server),
      async published(challenge) {
        const wanted = [challengeValue(challenge), "somebody else's"];
        return (await server.txt(NAME)).find((value) => wanted.includes(value)) ?? null;
      },
      expected: challengeValue,
      occupy: (_challenge, value) => server.add(NAME, value),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  });

  describeDnsSolver(`rfc2136 at ${name}`, async () => {
    const server = await start({ zone: ZONE });
    return {
      zone: ZONE,
      solver: ({ dns }) => solverAt(server, {}, { dns }),
      values: (at) => server.txt(at),
      occupy: (at, value) => server.add(at, value),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  });

  it("says what is wrong with key, clock and rights in one clear message, without the secret", async () => {
    await using server = await start({ zone: ZONE });
    const one = challengeOf(`www.${ZONE}`);
    const wrong = Buffer.from("wrong key of 32 bytes, or nearly").toString("base64");
    const refusal = async (solver: Solver): Promise<string> => {
      const error = await solver.present(one, signal()).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "RenewalError", code: "dns.credentials" });
      return error instanceof Error ? error.message : "";
    };
    const badKey = await refusal(solverAt(server, {}, { secret: async () => new Secret(wrong) }));
    expect(badKey).toContain("BADSIG");
    expect(badKey).not.toContain(wrong);
    expect(await refusal(solverAt(server, { keyName: "other-key" }))).toContain("BADKEY");
    const late = { now: () => Date.now() - 3_600_000 };
    expect(await refusal(solverAt(server, {}, late))).toContain("BADTIME");
    expect(await server.txt(NAME)).toEqual([]);
    // Preflight finds it before a CA is asked, and changes nothing.
    const identifier = { type: "dns", value: `www.${ZONE}` } as const;
    const unfit = { check: "dns.credentials", fatal: true };
    for (const solver of [solverAt(server, { keyName: "other-key" }), solverAt(server, {}, late)])
      expect(await solver.preflight?.(identifier, signal())).toMatchObject([unfit]);
    const before = await serialAt(server);
    expect(await solverAt(server).preflight?.(identifier, signal())).toEqual([]);
    expect(await serialAt(server), "nothing was changed").toBe(before);
  });

  it("has no zone for a name that is not the server's", async () => {
    await using server = await start({ zone: ZONE });
    await expect(solverAt(server).present(challengeOf("www.example.net"), signal())).rejects.toMatchObject({
      code: "dns.noZone",
    });
  });

  it("sees that a second server is stale, and when it is not any more", async () => {
    await using server = await start({ zone: ZONE, addresses: ["127.0.0.1", "127.0.0.2"] });
    const one = challengeOf(`www.${ZONE}`);
    const solver = solverAt(server);
    // BIND listens on no loopback address but the first.
    const stale = await startKnot({ zone: ZONE, address: "127.0.0.2", port: server.port });
    await solver.present(one, signal());
    expect(await solver.readiness?.(one, signal())).toMatchObject({
      ready: false,
      why: `ns2.${ZONE} (127.0.0.2:${server.port}) does not have it`,
    });
    await stale[Symbol.asyncDispose]();
    await using _fresh = await startKnot({
      ...{ zone: ZONE, address: "127.0.0.2", port: server.port },
      records: [`_acme-challenge.www TXT ${challengeValue(one)}`],
    });
    expect(await solver.readiness?.(one, signal())).toEqual({ ready: true, note: null });
  });
});

it("finds before any order that a key may not change this name, or that its secret is no base64", async () => {
  await using server = await startBind({ zone: ZONE, mayChange: NAME });
  const found = (name: string, solver = solverAt(server)): Promise<unknown> | undefined =>
    solver.preflight?.({ type: "dns", value: name }, signal());
  expect(await found(`www.${ZONE}`)).toEqual([]);
  expect(await found(`other.${ZONE}`)).toEqual([
    { check: "dns.credentials", message: expect.stringContaining(`_acme-challenge.other.${ZONE}`), fatal: true },
  ]);
  const file = `key "renewd-key" { algorithm hmac-sha256; secret "${server.secret}"; };`;
  const whole = solverAt(server, {}, { secret: async () => new Secret(file) });
  expect(await found(`www.${ZONE}`, whole)).toEqual([
    { check: "config.secret", message: expect.stringMatching(/^The secret of the TSIG key .* alone\.$/), fatal: true },
  ]);
});

it("removes nothing else at the name when a hundred wildcard certificates of one zone are validated at once", async () => {
  await using server = await startBind({ zone: ZONE });
  const dns = memoryDns();
  const challenges = Array.from({ length: 100 }, (_, i) => [
    challengeOf(`h${i}.${ZONE}`),
    challengeOf(`h${i}.${ZONE}`),
  ]);
  const solver = solverAt(server, {}, { dns });
  for (const pair of challenges) await Promise.all(pair.map((each) => solver.present(each, signal())));
  const held = await Promise.all(challenges.map((_, i) => server.txt(`_acme-challenge.h${i}.${ZONE}`)));
  expect(held.map((values) => values.length)).toEqual(challenges.map(() => 2));
  for (const pair of challenges) await Promise.all(pair.map((each) => solver.cleanUp(each, signal())));
  const left = await Promise.all(challenges.map((_, i) => server.txt(`_acme-challenge.h${i}.${ZONE}`)));
  expect(left.flat()).toEqual([]);
  expect(dns.rows.size).toBe(0);
}, 60_000);
