import { once } from "node:events";
import { createServer } from "node:http";
import { expect, it } from "vitest";
import { createLookup } from "../../src/solvers/dns/lookup.ts";
import { examineHttp } from "../../src/solvers/httpReachability.ts";
import { nextHop } from "../../src/solvers/redirects.ts";
import { startNameServer } from "../support/dns/nameServer.ts";

const FROM = new URL("http://www.example.org/.well-known/acme-challenge/t");

it.each<[string, string | undefined, RegExp | null]>([
  ["to HTTPS", "https://www.example.org/x", null],
  ["to another name", "http://other.example.net/x", null],
  ["within the name", "/elsewhere", null],
  ["to a port that CAs ask", "http://www.example.org:443/", null],
  ["to another port", "https://www.example.org:8443/", /ports 80 and 443 only/],
  ["to an IPv4 address", "http://192.0.2.1/", /names only/],
  ["to an IPv6 address", "http://[2001:db8::1]/", /names only/],
  ["to another scheme", "ftp://www.example.org/", /http and https only/],
  ["to nowhere", undefined, /without saying where/],
  ["to what is no URL", "http://", /no URL/],
  ["to itself", FROM.pathname, /in a circle/],
])("a redirect %s is judged as CAs do", (_what, location, why) => {
  const found = nextHop(FROM, location, [FROM.href]);
  if (why === null) expect(found).toHaveProperty("to");
  else expect(found).toEqual({ why: expect.stringMatching(why) });
});

it("redirects are followed as a CA does, from each address, until it is clear who answers", async () => {
  const requests: string[] = [];
  const web = createServer(({ url = "/" }, response) => {
    requests.push(url);
    const depth = Number(url.slice(1));
    const to = WAYS[url] ?? (Number.isNaN(depth) ? "/1" : `/${depth + 1}`);
    response.writeHead(to === "" ? 404 : 302, { location: to }).end();
  });
  const WAYS: Record<string, string> = {};
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const bound = web.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  await using dns = await startNameServer(
    ["example.org"],
    [
      { name: "www.example.org", type: "A", data: "127.0.0.1" },
      { name: "other.example.org", type: "A", data: "127.0.0.1" },
    ],
  );
  const lookup = createLookup({ resolvers: [{ kind: "dns", address: dns.address, port: dns.port }], port: dns.port });
  const look = async (): Promise<string[]> => {
    const options = { lookup, port, responder: true };
    const found = await examineHttp({ type: "dns", value: "www.example.org" }, AbortSignal.timeout(5_000), options);
    return found.filter(({ check }) => check === "http").map(({ message }) => message);
  };
  expect(await look()).toEqual([expect.stringContaining("redirects more than 10 times")]);
  WAYS["/1"] = "https://www.example.org/";
  expect(await look()).toEqual([]);
  WAYS["/1"] = "/here";
  WAYS["/here"] = "";
  expect(await look()).toEqual([expect.stringContaining("status 404 by a server that is not renewd")]);
  // Whoever may redirect a name must not make renewd ask servers inside the network.
  WAYS["/1"] = "http://other.example.org/inside";
  expect(await look()).toEqual([]);
  expect(requests).not.toContain("/inside");
  WAYS["/1"] = "http://nobody.example.org/";
  expect(await look()).toEqual([expect.stringContaining("redirects to nobody.example.org, which has no address")]);
  WAYS["/1"] = "http://www.example.org:8080/";
  expect(await look()).toEqual([expect.stringContaining("CAs follow to ports 80 and 443 only")]);
  web.close();
});
