import { once } from "node:events";
import { createServer } from "node:net";
import { connect } from "node:tls";
import { expect, it } from "vitest";
import { readClientHello } from "../../src/web/clientHello.ts";

/** What OpenSSL sends. */
async function hello(options: { servername?: string; ALPNProtocols?: string[] }): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const client = connect({ port, host: "127.0.0.1", ...options });
  client.on("error", () => undefined);
  const [socket] = await once(server, "connection");
  const [bytes] = await once(socket, "data");
  socket.destroy();
  client.destroy();
  server.close();
  return bytes;
}

it("server name and protocols are read from a client's first message", async () => {
  const bytes = await hello({ servername: "www.example.org", ALPNProtocols: ["h2", "acme-tls/1"] });
  expect(readClientHello(bytes)).toEqual({ serverName: "www.example.org", protocols: ["h2", "acme-tls/1"] });
  expect(readClientHello(await hello({}))).toEqual({ serverName: null, protocols: [] });
});

it("a part of the message is waited for, and rubbish is none", async () => {
  const bytes = await hello({ servername: "www.example.org", ALPNProtocols: ["acme-tls/1"] });
  for (let length = 0; length < bytes.length; length += 1)
    expect(readClientHello(bytes.subarray(0, length))).toBe("more");
  expect(readClientHello(Buffer.from("GET / HTTP/1.1\r\n\r\n"))).toBeNull();
  expect(readClientHello(Buffer.from([22, 3, 1, 0xff, 0xff]))).toBeNull();
  expect(readClientHello(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]))).toBeNull();
});

it("no byte of the message, whatever it becomes, makes reading it fail otherwise", async () => {
  const bytes = await hello({ servername: "www.example.org", ALPNProtocols: ["acme-tls/1"] });
  const results = new Set<string>();
  for (let at = 0; at < bytes.length; at += 1)
    for (const value of [0, 1, 0x7f, 0xff]) {
      const changed = Buffer.from(bytes);
      changed[at] = value;
      const result = readClientHello(changed);
      results.add(typeof result === "string" ? result : typeof result?.protocols);
    }
  expect([...results].sort()).toEqual(["more", "object", "undefined"]);
});
