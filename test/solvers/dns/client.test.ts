import { expect, test } from "vitest";
import { ask } from "../../../src/solvers/dns/client.ts";
import { startNameServer } from "../../support/dns/nameServer.ts";

test("a server that cannot be connected to, as without a route, is a refusal and no fault of the process", async () => {
  // The kernel refuses to connect a socket to the broadcast address.
  await expect(
    ask(
      { kind: "dns", address: "255.255.255.255", port: 53 },
      { name: "example.org", type: "CAA" },
      { recurse: true },
      new AbortController().signal,
    ),
  ).rejects.toMatchObject({ code: "dns.unreachable" });
});

test("a query that got lost is sent again soon, as an order waits for its answer", async () => {
  await using server = await startNameServer(["example.org"]);
  server.fault = { lost: 1 };
  const place = { kind: "dns", address: server.address, port: server.port } as const;
  const startedAt = performance.now();
  const reply = await ask(
    place,
    { name: "example.org", type: "SOA" },
    { recurse: false },
    new AbortController().signal,
  );
  expect([reply.rcode, server.asked]).toEqual(["NOERROR", ["UDP SOA example.org"]]);
  // The wait that it replaces was 1.5 s; a busy machine adds to 0.4.
  expect(performance.now() - startedAt).toBeLessThan(1_400);
});
