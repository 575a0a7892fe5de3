import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exec } from "../../../src/solvers/dns/bridges/exec.ts";
import { createCaaLookup } from "../../../src/solvers/dns/caa.ts";
import { ask } from "../../../src/solvers/dns/client.ts";
import { compareDelegation, examineDns } from "../../../src/solvers/dns/health.ts";
import { createLookup, type Lookup } from "../../../src/solvers/dns/lookup.ts";
import { parseResolver } from "../../../src/solvers/dns/options.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { examineHttp, examineTls } from "../../../src/solvers/httpReachability.ts";
import { startHttp01Responder } from "../../../src/web/http01.ts";
import { solverDependencies } from "../../support/dns/dependencies.ts";
import { type NameServer, startNameServer, type TestRecord } from "../../support/dns/nameServer.ts";

const ZONE = "example.org";
const signal = (): AbortSignal => new AbortController().signal;
const RECORDS: readonly TestRecord[] = [
  { name: ZONE, type: "NS", data: "ns1.example.org" },
  { name: ZONE, type: "NS", data: "ns2.example.org" },
  { name: "ns1.example.org", type: "A", data: "127.0.0.1" },
  { name: "ns2.example.org", type: "A", data: "127.0.0.2" },
  { name: `www.${ZONE}`, type: "A", data: "127.0.0.1" },
];

let first: NameServer;
let second: NameServer;
let lookup: Lookup;
beforeEach(async () => {
  first = await startNameServer([ZONE], RECORDS);
  second = await startNameServer([ZONE], RECORDS, { address: "127.0.0.2", port: first.port });
  lookup = createLookup({ resolvers: [{ kind: "dns", address: "127.0.0.1", port: first.port }], port: first.port });
});
afterEach(() => Promise.all([first, second].map((server) => server[Symbol.asyncDispose]())));

describe("the health of a name in DNS", () => {
  it("raises no concern when everything answers", async () => {
    expect(await examineDns(lookup, `www.${ZONE}`, signal())).toEqual([]);
  });

  it("names the server that fails, without refusing the order", async () => {
    second.fault = { fails: true };
    expect(await examineDns(lookup, ZONE, signal())).toEqual([
      {
        check: "nameServers",
        message: `ns2.example.org (127.0.0.2:${first.port}) answers SERVFAIL for example.org`,
        fatal: false,
      },
    ]);
  });

  it("names the server that does not know the zone", async () => {
    second.zones.splice(0);
    expect(await examineDns(lookup, ZONE, signal())).toMatchObject([
      { message: expect.stringMatching(/ns2.*answers REFUSED/), fatal: false },
    ]);
  });

  it("refuses broken signatures: resolvers answer only those who do not want them checked", async () => {
    first.fault = { fails: "unlessUnchecked" };
    expect(await examineDns(lookup, ZONE, signal())).toMatchObject([{ check: "dnssec", fatal: true }]);
  });

  it("only warns when nobody answers: it may be this machine", async () => {
    first.fault = { fails: true };
    expect(await examineDns(lookup, ZONE, signal())).toMatchObject([{ check: "dns", fatal: false }]);
  });
});

describe("the delegation of a provider's zone", () => {
  const compare = (zone: { name: string; nameServers?: string[] }, name = `_acme-challenge.www.${ZONE}`) =>
    compareDelegation(lookup, { name, zone }, signal());

  it("agrees with DNS when one of its name servers is there", async () => {
    expect(await compare({ name: ZONE, nameServers: ["NS2.example.org.", "ns9.example.org"] })).toEqual([]);
    expect(await compare({ name: ZONE })).toEqual([]);
  });

  it("is another zone of the same name when none is", async () => {
    expect(await compare({ name: ZONE, nameServers: ["ns.internal"] })).toMatchObject([
      { check: "delegation", message: expect.stringContaining("another zone of the same name"), fatal: false },
    ]);
  });

  it("says when the public sees a deeper zone, or none at all", async () => {
    first.zones.push(`www.${ZONE}`);
    expect(await compare({ name: ZONE })).toMatchObject([
      { message: expect.stringContaining(`is in zone www.${ZONE}`) },
    ]);
    expect(await compare({ name: `dev.${ZONE}` }, `_acme-challenge.x.dev.${ZONE}`)).toMatchObject([
      { message: expect.stringContaining("is not delegated") },
    ]);
  });
});

it("a bridge, which knows no zones, raises no concern about one, and its challenge's name is not asked for", async () => {
  const plugin = dnsSolver(exec);
  const options = plugin.options.parse({ command: ["/bin/true"], resolvers: [`127.0.0.1:${first.port}`] });
  const solver = plugin.create(options, solverDependencies({ dnsPort: first.port }));
  expect(await solver.preflight?.({ type: "dns", value: `www.${ZONE}` }, signal())).toEqual([]);
  const asked = first.asked.filter((line) => line.includes("_acme-challenge") && !line.includes("CNAME"));
  expect(asked).toEqual([]);
});

describe("CAA records", () => {
  const issue = (value: string): TestRecord => ({ name: ZONE, type: "CAA", data: { flags: 0, tag: "issue", value } });
  const caa = () => createCaaLookup(lookup)(ZONE, signal());

  it("are read at every authoritative server", async () => {
    expect(await caa()).toEqual([]);
    for (const server of [first, second]) server.records.push(issue("ca.example; validationmethods=dns-01"));
    expect(await caa()).toEqual([{ critical: false, tag: "issue", value: "ca.example; validationmethods=dns-01" }]);
    expect(second.asked.filter((question) => question.includes("CAA"))).not.toEqual([]);
  });

  it("that differ, or that one server cannot give, are unknown, and the server is named", async () => {
    first.records.push(issue("ca.example"));
    await expect(caa()).rejects.toThrow(/ns1.*and ns2.*have different CAA records/);
    second.fault = { fails: true };
    await expect(caa()).rejects.toThrow(/ns2.*answers SERVFAIL when asked for CAA/);
  });
});

describe("http-01 seen from here", () => {
  it("warns of every address that nobody listens on, and of a name without one", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    const look = (value: string) => examineHttp({ type: "dns", value }, signal(), { lookup, port });
    expect(await look(`www.${ZONE}`)).toEqual([]);
    for (const each of [first, second]) each.records.push({ name: `www.${ZONE}`, type: "A", data: "127.0.0.3" });
    expect(await look(`www.${ZONE}`)).toMatchObject([
      { check: "http", message: expect.stringContaining(`port ${port} of 127.0.0.3 cannot be reached`), fatal: false },
    ]);
    expect(await look(`none.${ZONE}`)).toMatchObject([{ message: "none.example.org has no address in DNS" }]);
    // A server that does not forward to renewd would answer the CA just so.
    const own = { lookup, port, responder: true };
    expect(await examineHttp({ type: "ip", value: "127.0.0.1" }, signal(), own)).toMatchObject([
      { check: "http", message: expect.stringMatching(/status 404 by a server that is not renewd: let it forward/) },
    ]);
    const challenges = { get: async () => null };
    const responder = await startHttp01Responder({ host: "127.0.0.1", port: 0, challenges, identity: randomUUID() });
    const ours = { ...own, port: responder.port };
    expect(await examineHttp({ type: "ip", value: "127.0.0.1" }, signal(), ours)).toEqual([]);
    await responder.close();
    // The same of the port of tls-alpn-01, to which it only connects.
    const tls = (value: string) => examineTls({ type: "dns", value }, signal(), { lookup, port });
    expect(await tls(`www.${ZONE}`)).toMatchObject([
      { check: "tls-alpn", message: expect.stringContaining(`port ${port} of 127.0.0.3 cannot be reached`) },
    ]);
    // Where no resolver answers, nothing is said of the name.
    first.fault = { fails: true };
    expect((await look(`www.${ZONE}`)).map(({ check }) => check)).toEqual(["dns"]);
    server.close();
  });
});

describe("a DNS server that misbehaves", () => {
  const to = () => ({ kind: "dns" as const, address: first.address, port: first.port });
  const question = { name: `www.${ZONE}`, type: "A" } as const;

  it("cannot fill the memory: what follows a message of 64 KB is not read", async () => {
    const flood = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write(Buffer.from([0xff, 0xff]));
      socket.write(Buffer.alloc(200_000));
    });
    flood.listen(0, "127.0.0.1");
    await once(flood, "listening");
    const bound = flood.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    await expect(
      ask({ kind: "dns", address: "127.0.0.1", port }, question, { recurse: false }, signal()),
    ).rejects.toMatchObject({ code: "dns.unreachable" });
    flood.close();
  });

  it("is left at once when the caller stops", async () => {
    first.fault = { silent: true };
    const reason = new Error("stop");
    const stopping = new AbortController();
    const asked = ask(to(), question, { recurse: false }, stopping.signal);
    setImmediate(() => stopping.abort(reason));
    await expect(asked).rejects.toBe(reason);
  });
});

it.each<[string, unknown]>([
  ["192.0.2.1", { kind: "dns", address: "192.0.2.1", port: 53 }],
  ["192.0.2.1:5353", { kind: "dns", address: "192.0.2.1", port: 5353 }],
  ["2001:db8::1", { kind: "dns", address: "2001:db8::1", port: 53 }],
  ["[2001:db8::1]:5353", { kind: "dns", address: "2001:db8::1", port: 5353 }],
  ["https://dns.example/dns-query", { kind: "https", url: "https://dns.example/dns-query" }],
  ["dns.example", null],
  ["192.0.2.1:0", null],
  ["192.0.2.1:70000", null],
  ["http://dns.example", null],
])("the resolver %s is %j", (text, expected) => {
  expect(parseResolver(text)).toEqual(expected);
});
