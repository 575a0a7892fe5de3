import { expect, it } from "vitest";
import { http01 } from "../../src/solvers/http01.ts";
import { tlsAlpn01 } from "../../src/solvers/tlsAlpn01.ts";
import { webroot } from "../../src/solvers/webroot.ts";
import { startNameServer } from "../support/dns/nameServer.ts";
import { memoryChallenges } from "../support/model/orderMemory.ts";

it("before an order a name is looked up at the resolvers of the solver", async () => {
  await using dns = await startNameServer(["example.org"]);
  const resolvers = [`${dns.address}:${dns.port}`];
  const services = { challenges: memoryChallenges(), now: Date.now };
  for (const solver of [
    http01.create(http01.options.parse({ resolvers }), services),
    tlsAlpn01.create(tlsAlpn01.options.parse({ resolvers }), services),
    webroot.create(webroot.options.parse({ resolvers, directory: "/var/www" }), services),
  ]) {
    dns.asked.length = 0;
    const found = await solver.preflight?.({ type: "dns", value: "www.example.org" }, AbortSignal.timeout(5_000));
    expect(found?.map(({ message }) => message)).toContain("www.example.org has no address in DNS");
    expect(dns.asked).toEqual(expect.arrayContaining(["UDP A www.example.org", "UDP AAAA www.example.org"]));
  }
});
