// The question to another renewd, over real TLS, and what is no answer to it.
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { askPeer } from "../../src/notify/peer.ts";
import { type Authority, createRoot } from "../support/ca/pki.ts";

const SIGNAL = new AbortController().signal;
const READY = JSON.stringify({
  status: "ready",
  checks: [{ name: "sweep", ok: true, reason: "" }],
  sweepAgeSeconds: 3,
});
const DEAD = JSON.stringify({
  status: "notReady",
  checks: [{ name: "planner", ok: false, reason: "no planner runs" }],
});

let root: Authority;
let server: ReturnType<typeof createServer>;
let url: string;
let reply: RequestListener;
const asked: string[] = [];
beforeAll(async () => {
  root = await createRoot();
  const { certPem, keyPem } = await root.issue({ names: ["localhost"] });
  server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? "no token"}`);
    reply(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `https://localhost:${(server.address() as AddressInfo).port}`; // It listens on TCP.
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const ask = (token: Secret | null = null, trustPem: string | null = root.certPem) =>
  askPeer({ name: "b", url, trustPem, token }, SIGNAL);
const answers =
  (status: number, body: string): RequestListener =>
  (_, response) =>
    void response.writeHead(status).end(body);

test("what it says of itself counts, not the status that a proxy may have made", async () => {
  reply = answers(200, READY);
  expect(await ask(new Secret("t0ken\n"))).toEqual({ ready: true, reasons: [], sweepAgeMs: 3_000 });
  reply = answers(503, DEAD);
  expect(await ask()).toEqual({ ready: false, reasons: ["planner: no planner runs"], sweepAgeMs: null });
  expect(asked).toEqual(["GET /readyz Bearer t0ken", "GET /readyz no token"]);
});

test.each<[string, RequestListener, RegExp]>([
  ["a page of something else", answers(200, "<html>Welcome</html>"), /answered 200, but not as renewd/],
  ["other JSON", answers(200, '{"status":"up"}'), /answered 200, but not as renewd/],
  [
    "an age of millennia",
    answers(200, '{"status":"ready","checks":[],"sweepAgeSeconds":1e300}'),
    /answered 200, but not as renewd/,
  ],
  ["a redirect", (_, response) => void response.writeHead(302, { location: url }).end(), /answered 302, but not/],
  ["an endless answer", (_, response) => void response.end("x".repeat(70_000)), /longer than 65536 bytes/],
  ["a connection that breaks", ({ socket }) => void socket.destroy(), /did not answer: socket hang up/],
])("%s is no answer", async (_, listener, message) => {
  reply = listener;
  await expect(ask(new Secret("t0ken"))).rejects.toThrow(message);
  await expect(ask(new Secret("t0ken"))).rejects.not.toThrow(/t0ken/);
});

test("a certificate that the configured CAs do not vouch for is no answer either", async () => {
  reply = answers(200, READY);
  await expect(ask(null, (await createRoot()).certPem)).rejects.toMatchObject({ code: "peer.unreachable" });
});
