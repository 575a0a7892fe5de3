import { once } from "node:events";
import { createServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startConnectProxy } from "../support/ca/connectProxy.ts";
import { createRoot } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());

function attempt(change: Parameters<CaFixture["issuer"]>[0]) {
  return ca.issuer(change).issue(request(), memoryProgress(), ca.solvers, running());
}

describe("a CA behind a proxy", () => {
  it("is asked through it alone, over a connection that is kept", async () => {
    await using proxy = await startConnectProxy();
    const [requests, connections] = [ca.proxy.requests.length, ca.proxy.connections()];
    const { leaf } = await attempt({ proxy: proxy.url });
    expect(leaf.serial).not.toBe("");
    expect(new Set(proxy.asked)).toEqual(new Set([new URL(ca.proxy.directory).host]));
    expect(ca.proxy.connections() - connections).toBe(proxy.asked.length);
    expect(ca.proxy.requests.length - requests).toBeGreaterThan(5 * proxy.asked.length);
  });

  it("still has to prove itself: a proxy that answers in its place is not trusted", async () => {
    await using proxy = await startConnectProxy();
    const stranger = await createRoot();
    const { certPem, keyPem } = await stranger.issue({ names: ["127.0.0.1"] });
    const server = createServer({ cert: certPem, key: keyPem });
    server.on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    proxy.divert = { host: "127.0.0.1", port: typeof address === "object" && address !== null ? address.port : 0 };
    await expect(attempt({ proxy: proxy.url })).rejects.toMatchObject({ code: "acme.untrusted" });
    expect(proxy.asked).toHaveLength(1);
    server.close();
  });

  it("has its own certificate checked against `trust`", async () => {
    await using proxy = await startConnectProxy();
    const requests = ca.proxy.requests.length;
    const { certPem } = await createRoot();
    for (const trustPem of [certPem, null])
      await expect(attempt({ proxy: proxy.url, trustPem })).rejects.toMatchObject({ code: "acme.untrusted" });
    expect(ca.proxy.requests.length).toBe(requests);
  });

  it.each([
    [403, /^Cannot reach CA "pebble" at https:\S+: proxy http:\S+ refuses to connect to it \(status 403\)\.$/],
    [407, /: proxy http:\S+ demands a user and password/],
    ["cut" as const, /: proxy http:\S+ opened no tunnel to it\.$/],
  ])("cannot be reached when that says %s, and the message names it", async (refuse, message) => {
    await using proxy = await startConnectProxy();
    proxy.refuse = refuse;
    const connections = ca.proxy.connections();
    await expect(attempt({ proxy: proxy.url })).rejects.toMatchObject({
      code: "acme.connection",
      message: expect.stringMatching(message),
    });
    expect(ca.proxy.connections()).toBe(connections);
  });

  it("cannot be reached when that is down, and the message names it", async () => {
    const proxy = `http://127.0.0.1:${await freePort()}`;
    const { origin } = new URL(ca.proxy.directory);
    const message = `Cannot reach proxy ${proxy} to CA "pebble" at ${origin}: connection refused.`;
    await expect(attempt({ proxy })).rejects.toMatchObject({ code: "acme.connection", message });
  });
});
