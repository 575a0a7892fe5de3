// What has to wait for time-outs.
import { expect, it } from "vitest";
import { ask } from "../../../src/solvers/dns/client.ts";
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
