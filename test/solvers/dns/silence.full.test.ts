// What has to wait for time-outs.
import { expect, it } from "vitest";
import { ask } from "../../../src/solvers/dns/client.ts";
import { createLookup } from "../../../src/solvers/dns/lookup.ts";
import { askAuthoritative } from "../../../src/solvers/dns/propagation.ts";
import { startNameServer } from "../../support/dns/nameServer.ts";

const question = { name: "example.org", type: "SOA" } as const;

it("a server that says nothing is given up in bounded time, and the message names it", async () => {
  await using server = await startNameServer(["example.org"]);
  server.fault = { silent: true };
  const place = { kind: "dns", address: server.address, port: server.port } as const;
  await expect(ask(place, question, { recurse: false }, new AbortController().signal)).rejects.toMatchObject({
    code: "dns.unreachable",
    message: expect.stringContaining(`127.0.0.1:${server.port} gave no answer`),
  });
}, 20_000);

it("where UDP is blocked, TCP is asked", async () => {
  await using server = await startNameServer(["example.org"]);
  server.fault = { noUdp: true };
  const place = { kind: "dns", address: server.address, port: server.port } as const;
  const reply = await ask(place, question, { recurse: false }, new AbortController().signal);
  expect([reply.rcode, server.asked]).toEqual(["NOERROR", ["TCP SOA example.org"]]);
}, 20_000);

it("where one source answers, a server that says nothing is left soon after another has the value", async () => {
  const name = "_acme-challenge.example.org";
  await using first = await startNameServer(
    ["example.org"],
    [
      { name: "example.org", type: "NS", data: "ns1.example.org" },
      { name: "example.org", type: "NS", data: "ns2.example.org" },
      { name: "ns1.example.org", type: "A", data: "127.0.0.1" },
      { name: "ns2.example.org", type: "A", data: "127.0.0.2" },
      { name, type: "TXT", data: "value" },
    ],
  );
  await using second = await startNameServer(["example.org"], [], { address: "127.0.0.2", port: first.port });
  second.fault = { silent: true };
  const lookup = createLookup({
    resolvers: [{ kind: "dns", address: first.address, port: first.port }],
    port: first.port,
  });
  const signal = new AbortController().signal;
  const startedAt = performance.now();
  expect(await askAuthoritative(lookup, { name, value: "value", oneSource: true }, signal)).toMatchObject({
    kind: "sure",
    why: expect.stringContaining("no answer yet"),
  });
  // Alone it is asked for 7 s, over UDP and TCP.
  expect(performance.now() - startedAt).toBeLessThan(6_000);
}, 20_000);
