import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tlsAlpnPlace } from "../../src/domain/tlsAlpn.ts";
import type { Listener } from "../../src/web/listen.ts";
import { startTlsAlpn01Responder } from "../../src/web/tlsAlpn01.ts";
import { shakeHands } from "../support/tlsAlpn.ts";

const NAMES = {
  "www.example.org": { type: "dns", value: "www.example.org" },
  "7.2.0.192.in-addr.arpa": { type: "ip", value: "192.0.2.7" },
  [`7${".0".repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa`]: { type: "ip", value: "2001:db8::7" },
} as const;

describe("the tls-alpn-01 responder", () => {
  let responder: Listener;
  let asked: string[];
  let broken: boolean;
  beforeEach(async () => {
    asked = [];
    broken = false;
    const stored = new Set(Object.values(NAMES).map(tlsAlpnPlace));
    const get = async (place: string): Promise<string | null> => {
      asked.push(place);
      if (broken) throw new Error("database gone");
      return stored.has(place) ? "token.thumb" : null;
    };
    responder = await startTlsAlpn01Responder({ host: "127.0.0.1", port: 0, challenges: { get }, now: Date.now });
  });
  afterEach(() => responder.close());

  it.each(Object.entries(NAMES))(
    "answers a CA that asks for %s with a certificate for it",
    async (serverName, name) => {
      const { protocol, certificate } = await shakeHands({ port: responder.port, serverName });
      expect(protocol).toBe("acme-tls/1");
      const value = name.value === "2001:db8::7" ? "2001:DB8:0:0:0:0:0:7" : name.value;
      expect(certificate.subjectaltname).toBe(`${name.type === "dns" ? "DNS" : "IP Address"}:${value}`);
    },
  );

  it("answers TLS 1.2, any case of the name, and a message that arrives byte by byte", async () => {
    const { port } = responder;
    expect(await shakeHands({ port, serverName: "WWW.Example.org", maxVersion: "TLSv1.2" })).toMatchObject({
      protocol: "acme-tls/1",
    });
    const slow = createServer((client) => {
      const upstream = connect(port, "127.0.0.1");
      upstream.setNoDelay(true);
      upstream.pipe(client);
      for (const each of [client, upstream]) each.on("error", () => undefined);
      client.once("data", async (hello: Buffer) => {
        for (const byte of hello) await new Promise((written) => upstream.write(Uint8Array.of(byte), written));
        client.pipe(upstream);
      });
    }).listen(0, "127.0.0.1");
    await once(slow, "listening");
    const address = slow.address();
    const slowPort = typeof address === "object" && address !== null ? address.port : 0;
    expect(await shakeHands({ port: slowPort, serverName: "www.example.org" })).toMatchObject({
      protocol: "acme-tls/1",
    });
    slow.close();
  });

  it.each([
    ["no ALPN", { serverName: "www.example.org", protocols: [] }],
    ["other protocols", { serverName: "www.example.org", protocols: ["h2", "http/1.1"] }],
    ["no server name", {}],
  ])("refuses a handshake with %s, and asks no database", async (_case, options) => {
    await expect(shakeHands({ port: responder.port, ...options })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_SSL_|^ECONNRESET$/),
    });
    expect(asked).toEqual([]);
  });

  it("refuses a name without a challenge, and all while the store fails", async () => {
    const refused = { code: expect.stringMatching(/^ERR_SSL_|^ECONNRESET$/) };
    await expect(shakeHands({ port: responder.port, serverName: "b.example.org" })).rejects.toMatchObject(refused);
    broken = true;
    await expect(shakeHands({ port: responder.port, serverName: "www.example.org" })).rejects.toMatchObject(refused);
    broken = false;
    await shakeHands({ port: responder.port, serverName: "www.example.org" });
    expect(asked).toHaveLength(3);
  });

  it("closes although a client holds its connection, and survives rubbish", async () => {
    const rubbish = connect(responder.port, "127.0.0.1");
    rubbish.on("error", () => undefined);
    rubbish.resume();
    rubbish.write("GET / HTTP/1.1\r\n\r\n");
    await once(rubbish, "close");
    const held = connect(responder.port, "127.0.0.1");
    held.on("error", () => undefined);
    held.resume();
    await once(held, "connect");
    const closed = once(held, "close");
    await responder.close();
    await closed;
  });

  it("shares its port with other workers, and says so when a stranger holds it", async () => {
    const { port } = responder;
    const options = { host: "127.0.0.1", challenges: { get: async () => "token.thumb" }, now: Date.now };
    const second = await startTlsAlpn01Responder({ ...options, port });
    expect(second.port).toBe(port);
    await second.close();
    const stranger = createServer().listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const address = stranger.address();
    const taken = typeof address === "object" && address !== null ? address.port : 0;
    await expect(startTlsAlpn01Responder({ ...options, port: taken })).rejects.toMatchObject({
      code: "tlsAlpn01.address",
      message: expect.stringMatching(/another program listens on port \d+ of 127.0.0.1: stop it, or let it pass/),
    });
    stranger.close();
  });
});
