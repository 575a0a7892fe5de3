import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import type { ProblemNote } from "../../src/compose/beats.ts";
import { type NameServerSettings, startNameServer } from "../../src/compose/nameServer.ts";
import { raceAbort } from "../../src/domain/abort.ts";
import type { NameServerCount, NameServerTotalsStore } from "../../src/domain/nameServerTotals.ts";
import { memoryDns } from "../support/dns/dependencies.ts";

const LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const ZONE = {
  name: "acme.example.org",
  nameServers: [{ name: "ns1.acme.example.org", addresses: ["192.0.2.1"] }],
  caa: [],
};

function fixture() {
  const notes: (ProblemNote | null)[] = [];
  const { promise: wake, resolve: retry } = Promise.withResolvers<void>();
  const sleep = (_durationMs: number, signal: AbortSignal) => raceAbort(signal, () => wake);
  const clock = { now: Date.now, monotonic: () => performance.now(), sleep };
  const counted: NameServerCount[] = [];
  const nameServerTotals: NameServerTotalsStore = {
    add: async (counts) => void counted.push(...counts),
    list: async () => [],
  };
  const start = (at: NameServerSettings) =>
    startNameServer(
      { store: { dns: memoryDns(), nameServerTotals }, log: LOG, clock },
      { at, note: (each) => void notes.push(each) },
    );
  return { notes, retry, start, counted };
}

async function nameServers(port: number): Promise<string[]> {
  const resolver = new Resolver({ timeout: 300, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver.resolveNs(ZONE.name).catch(({ code }) => [code]);
}

it("a port that another program holds is reported with what to do, and served on once it is free", async () => {
  const stranger = createServer().listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const address = stranger.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { notes, retry, start, counted } = fixture();
  const server = await start({ hosts: ["127.0.0.1"], port, zones: [ZONE] });
  expect(notes.map((each) => each?.message)).toEqual([
    expect.stringContaining(`cannot listen on 127.0.0.1 port ${port}: another program listens there`),
  ]);
  stranger.close();
  await once(stranger, "close");
  retry();
  await expect.poll(() => notes.at(-1)).toBeNull();
  expect(await nameServers(port)).toEqual(["ns1.acme.example.org"]);
  // Without a solver that needs it, nothing listens; with one, it does again.
  await server.move({ hosts: ["127.0.0.1"], port, zones: [] });
  expect(await nameServers(port)).toEqual(["ECONNREFUSED"]);
  await server.move({ hosts: ["127.0.0.1"], port, zones: [ZONE] });
  await server.move({ hosts: ["127.0.0.1"], port, zones: [{ ...ZONE, name: "other.example.org" }] });
  expect(await nameServers(port)).toEqual(["EREFUSED"]);
  expect(counted, "not yet").toEqual([]);
  await server.close();
  expect(counted).toEqual([
    { transport: "udp", answer: "zone", count: 1 },
    { transport: "udp", answer: "refused", count: 1 },
  ]);
});
