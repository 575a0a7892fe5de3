// Delegations, resolvers and broken zones as BIND serves them: one process is the authoritative server of every zone
// here, and the resolver.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Solver } from "../../../src/domain/issuer.ts";
import { challengeValue } from "../../../src/solvers/dns/challenge.ts";
import { ask } from "../../../src/solvers/dns/client.ts";
import type { DnsOptions, ResolverOption } from "../../../src/solvers/dns/options.ts";
import { txtValues } from "../../../src/solvers/dns/propagation.ts";
import type { Zone } from "../../../src/solvers/dns/provider.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { challengeOf } from "../../conformance/dnsProvider.ts";
import { createRoot } from "../../support/ca/pki.ts";
import { solverDependencies } from "../../support/dns/dependencies.ts";
import { type MemoryProvider, memoryProvider } from "../../support/dns/provider.ts";
import { freePort } from "../../support/freePort.ts";
import { startBind, type TsigServer } from "../../support/servers/nameServers.ts";

const ZONE = "example.org";
/** Of two other providers, one behind the other. */
const [NEAR, FAR] = ["near.example", "far.example"];
const LONG = Array.from({ length: 40 }, (_, index) => `value-${index}-${"x".repeat(40)}`);

let bind: TsigServer;
let doh: string;
let directory: string;
const trusted = getCACertificates("default");
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-doh-"));
  const root = await createRoot();
  const pair = await root.issue({ names: ["localhost", "127.0.0.1"] });
  const https = { port: await freePort(), certificate: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  await writeFile(https.certificate, pair.certPem);
  await writeFile(https.key, pair.keyPem);
  setDefaultCACertificates([...trusted, root.certPem]);
  bind = await startBind({
    ...{ zone: ZONE, recursion: true, resolveMaxMs: 500, https },
    records: [
      "www A 192.0.2.1",
      `_acme-challenge.chain CNAME one.${NEAR}.`,
      `_acme-challenge.loop CNAME loop.${NEAR}.`,
      `_acme-challenge.away CNAME x.${FAR}.`,
      // A wildcard that also answers for `_acme-challenge`, and for a name beside it.
      `*.wild CNAME catch-all.${NEAR}.`,
      ...LONG.map((value) => `_acme-challenge.long TXT "${value}"`),
      // Delegated in a circle, without glue: no resolver finds a server.
      "_acme-challenge.lame NS ns.circle",
      "circle NS ns.other",
      "other NS ns.circle",
      // Delegated to where nobody listens.
      "_acme-challenge.dead NS ns.dead",
      "ns.dead A 127.0.0.9",
    ],
    zones: {
      [NEAR]: [`one CNAME two.${FAR}.`, `loop CNAME _acme-challenge.loop.${ZONE}.`, "catch-all A 192.0.2.2"],
      [FAR]: [],
    },
  });
  doh = `https://127.0.0.1:${https.port}/dns-query`;
});
afterAll(async () => {
  setDefaultCACertificates(trusted);
  await bind[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const signal = (): AbortSignal => AbortSignal.timeout(30_000);
const resolver = (): ResolverOption => ({ kind: "dns", address: "127.0.0.1", port: bind.port });

interface Made {
  readonly solver: Solver;
  readonly provider: MemoryProvider;
}

function made(zones: readonly string[], options: Partial<DnsOptions> = {}, now = Date.now): Made {
  const owned = zones.map((name): Zone => ({ id: name, name }));
  const provider = memoryProvider("record", owned);
  const dependencies = solverDependencies({ dnsPort: bind.port, now });
  return { provider, solver: dnsSolver(provider.kind).create({ resolvers: [resolver()], ...options }, dependencies) };
}

async function placeOf(host: string, zones: readonly string[], options: Partial<DnsOptions> = {}): Promise<string> {
  const { provider, solver } = made(zones, options);
  await solver.present(challengeOf(`${host}.${ZONE}`), signal());
  return provider.held.map(({ name }) => name).join();
}

describe("a CNAME at BIND", () => {
  it("is followed through the zones of two providers, into the one that the solver owns", async () => {
    expect(await placeOf("chain", [FAR])).toBe(`two.${FAR}`);
    expect(await placeOf("chain", [ZONE, NEAR, FAR])).toBe(`two.${FAR}`);
    expect(await placeOf("chain", [ZONE, FAR], { follow: "never" })).toBe(`_acme-challenge.chain.${ZONE}`);
    expect(await placeOf("chain", [NEAR], { follow: `fixed.${NEAR}` })).toBe(`fixed.${NEAR}`);
  });

  it("is refused where its end is in no zone of the solver, and the whole way is shown", async () => {
    await expect(placeOf("chain", [ZONE, NEAR])).rejects.toMatchObject({
      code: "dns.delegation",
      message: expect.stringContaining(`_acme-challenge.chain.${ZONE} → one.${NEAR} → two.${FAR}: `),
    });
  });

  it("of a wildcard is not followed", async () => {
    expect(await placeOf("wild", [ZONE, NEAR])).toBe(`_acme-challenge.wild.${ZONE}`);
  });

  it("that leads back to itself is a circle", async () => {
    await expect(placeOf("loop", [ZONE, NEAR])).rejects.toMatchObject({
      code: "dns.delegation",
      message: expect.stringContaining("circle"),
    });
  });

  it("is also seen by preflight, which writes nothing", async () => {
    const { solver, provider } = made([ZONE, NEAR]);
    const identifier = { type: "dns", value: `chain.${ZONE}` } as const;
    expect(await solver.preflight?.(identifier, signal())).toMatchObject([{ check: "dns.delegation", fatal: true }]);
    expect(provider.held).toEqual([]);
  });
});

describe("an NS delegation of the challenge's name at BIND", () => {
  // The resolver takes seconds to give up the circle.
  it.each([
    ["in a circle", "lame", [60_000]],
    ["to a server that does not exist", "dead", [0, 60_000]],
  ])("%s does not block for ever: after a bounded wait the CA is asked, with a note", async (_, host, instants) => {
    let now = 1_000_000;
    const { solver } = made([ZONE], { follow: host === "lame" ? "never" : "auto" }, () => now);
    const one = challengeOf(`${host}.${ZONE}`);
    await solver.present(one, signal());
    const why = expect.stringContaining(`_acme-challenge.${host}.${ZONE}: 127.0.0.1:${bind.port} `);
    for (const passed of instants) {
      now = 1_000_000 + passed;
      const expected = passed === 0 ? { ready: false, why } : { ready: true, note: why };
      expect(await solver.readiness?.(one, signal())).toMatchObject(expected);
    }
  });
});

describe("a resolver", () => {
  it("is asked by HTTPS as well, of which BIND speaks HTTP/2 alone", async () => {
    const question = { name: `www.${ZONE}`, type: "A" } as const;
    const { rcode, answers } = await ask({ kind: "https", url: doh }, question, { recurse: true }, signal());
    expect([rcode, answers.map((answer) => answer.type === "A" && answer.data)]).toEqual(["NOERROR", ["192.0.2.1"]]);
    const { solver } = made([ZONE], { resolvers: [{ kind: "https", url: doh }], propagation: { check: "resolvers" } });
    const one = challengeOf(`seen.${ZONE}`);
    await solver.present(one, signal());
    expect(await solver.readiness?.(one, signal())).toMatchObject({
      ready: false,
      why: `${doh} does not have it`,
    });
    await bind.add(`_acme-challenge.again.${ZONE}`, challengeValue(one));
    const other = { ...one, identifier: { type: "dns", value: `again.${ZONE}` } } as const;
    await solver.present(other, signal());
    expect(await solver.readiness?.(other, signal())).toEqual({ ready: true, note: null });
  });

  it.each([
    ["a path that it does not serve", () => doh.replace("dns-query", "elsewhere"), /it answered 404/],
    ["a port that nobody listens on", () => "https://127.0.0.1:9/dns-query", /ECONNREFUSED/],
    ["a name that its certificate lacks", () => doh.replace("127.0.0.1", "127.0.0.2"), /gave no answer/],
  ])("by HTTPS at %s gives no answer, in bounded time and with the reason", async (_, url, message) => {
    const asked = ask({ kind: "https", url: url() }, { name: ZONE, type: "SOA" }, { recurse: true }, signal());
    await expect(asked).rejects.toMatchObject({ code: "dns.unreachable", message: expect.stringMatching(message) });
  });

  it("cuts a long answer off over UDP, and gives it whole over TCP", async () => {
    const question = { name: `_acme-challenge.long.${ZONE}`, type: "TXT" } as const;
    const { answers } = await ask(resolver(), question, { recurse: true }, signal());
    expect(txtValues(answers).toSorted()).toEqual(LONG.toSorted());
  });
});
