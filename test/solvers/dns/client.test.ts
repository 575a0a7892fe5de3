import { expect, test } from "vitest";
import { ask } from "../../../src/solvers/dns/client.ts";

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
