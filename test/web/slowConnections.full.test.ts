import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { get as getSecurely } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { startWebServer } from "../../src/web/server.ts";
import { startTlsAlpn01Responder } from "../../src/web/tlsAlpn01.ts";
import { createRoot } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";
import { until } from "../support/until.ts";

const TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
const PATH = `/.well-known/acme-challenge/${TOKEN}`;
const HALF_REQUEST = "GET /.well-known/acme";
/** The beginning of a record with a ClientHello of TLS. */
const HALF_HELLO = Uint8Array.of(0x16, 3, 1, 2, 0, 1);
const SLOW = 2_000;
const REAL = 200;
/** As long as Let's Encrypt waits. */
const ANSWER_MAX_MS = 10_000;

interface Door {
  readonly port: number;
  close(): Promise<void>;
}

let responder: Door;
const open = new Set<Socket>();

const challenges = { get: async () => `${TOKEN}.thumb` };
const HERE = { host: "127.0.0.1", port: 0 };
const log = { debug() {}, info() {}, warn() {}, error() {} };
const listener = (_: unknown, answer: { end(text: string): unknown }): void => void answer.end("here");

async function web(tls: { readonly certificate: string; readonly key: string } | null): Promise<Door> {
  const port = await freePort();
  const server = await startWebServer({ host: "127.0.0.1", port, tls, firstPort: port, listener, log });
  return { port, close: () => server.close() };
}

async function secureWeb(): Promise<Door> {
  const { certPem, keyPem } = await (await createRoot()).issue({ names: ["localhost"] });
  const files = { certificate: join(directory, "web.pem"), key: join(directory, "web.key") };
  await writeFile(files.certificate, certPem);
  await writeFile(files.key, keyPem);
  return web(files);
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-slow-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

beforeEach(async () => {
  responder = await startHttp01Responder({ ...HERE, challenges });
});

afterEach(async () => {
  for (const socket of open) socket.destroy();
  open.clear();
  await responder.close();
});

/** Begins a request and never ends it. */
function slow(localAddress: string, first: string | Uint8Array = HALF_REQUEST): Socket {
  const socket = connect({ port: responder.port, host: "127.0.0.1", localAddress });
  open.add(socket);
  socket.on("error", () => {});
  socket.once("connect", () => socket.write(first));
  socket.resume();
  socket.once("close", () => open.delete(socket));
  return socket;
}

type Ask = (localAddress: string) => Promise<boolean>;

const byHttp =
  (ask: typeof get): Ask =>
  async (localAddress) => {
    const signal = AbortSignal.timeout(ANSWER_MAX_MS);
    const options = { port: responder.port, host: "127.0.0.1", path: PATH, localAddress, agent: false, signal };
    const unverified: object = { rejectUnauthorized: false };
    const request = ask({ ...options, ...unverified });
    request.on("error", () => {});
    const [response] = await once(request, "response", { signal }).catch(() => []);
    response?.resume();
    return response?.statusCode === 200;
  };
const answered = byHttp(get);

/** As a CA validates tls-alpn-01. */
const shakesHands: Ask = async (localAddress) => {
  const options = { port: responder.port, host: "127.0.0.1", localAddress, servername: "www.example.org" };
  const socket = connectTls({ ...options, ALPNProtocols: ["acme-tls/1"], rejectUnauthorized: false });
  socket.on("error", () => {});
  const signal = AbortSignal.timeout(ANSWER_MAX_MS);
  await once(socket, "secureConnect", { signal }).catch(() => {});
  socket.destroy();
  return socket.alpnProtocol === "acme-tls/1";
};

const tlsAlpn01 = () => startTlsAlpn01Responder({ ...HERE, challenges, now: Date.now });
const DOORS = [
  { name: "http-01", start: () => startHttp01Responder({ ...HERE, challenges }), ask: answered, first: HALF_REQUEST },
  { name: "tls-alpn-01", start: tlsAlpn01, ask: shakesHands, first: HALF_HELLO },
  { name: "the web port", start: () => web(null), ask: answered, first: HALF_REQUEST },
  { name: "the web port with TLS", start: secureWeb, ask: byHttp(getSecurely), first: HALF_HELLO },
];

it.each(DOORS)("2,000 slow connections at $name leave 99 % of the others answered", async ({ start, ask, first }) => {
  await responder.close();
  responder = await start();
  let attacking = true;
  let opened = 0;
  // Addresses beside the CA's own, a hundred connections each.
  const attack = async (localAddress: string): Promise<void> => {
    while (attacking) {
      const socket = slow(localAddress, first);
      opened += 1;
      await once(socket, "close").catch(() => {});
      await delay(100);
    }
  };
  const attackers = Array.from({ length: SLOW }, (_, index) => attack(`127.0.1.${1 + (index % 20)}`));
  await until("2,000 slow connections", async () => (opened >= SLOW ? opened : null));
  const results: boolean[] = [];
  for (let round = 0; round < REAL / 20; round++) {
    const burst = Array.from({ length: 20 }, (_, index) => ask(`127.0.2.${1 + (index % 4)}`));
    results.push(...(await Promise.all(burst)));
    await delay(100);
  }
  attacking = false;
  for (const socket of open) socket.destroy();
  await Promise.all(attackers);
  expect(opened, "the slow ones came back").toBeGreaterThan(SLOW);
  expect(results.filter(Boolean).length).toBeGreaterThanOrEqual(0.99 * REAL);
});

it("of one address the oldest incomplete requests are closed first; others are left alone", async () => {
  const other = slow("127.0.3.2");
  const first = slow("127.0.3.1");
  await once(first, "connect");
  const second = slow("127.0.3.1");
  for (let index = 0; index < 28; index++) await once(slow("127.0.3.1"), "connect");
  // Sooner than the deadline for headers, which would close it as well.
  await until(
    "the oldest to be closed",
    async () => once(slow("127.0.3.1"), "connect").then(() => (open.has(first) ? null : true)),
    2_000,
  );
  expect(open.has(second)).toBe(true);
  expect(open.has(other)).toBe(true);
});

it("a hundred requests of one address at the same moment, as a CA sends them, are all answered", async () => {
  const results = await Promise.all(Array.from({ length: 100 }, () => answered("127.0.2.1")));
  expect(results.filter(Boolean)).toHaveLength(100);
});

it("a connection ends in time however slowly the request comes", async () => {
  const socket = slow("127.0.3.1");
  const dripping = setInterval(() => socket.write("x"), 200);
  const startedAt = performance.now();
  // Not once(): a write that comes too late is an error, which is expected.
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(dripping);
  expect(performance.now() - startedAt).toBeLessThan(6_000);
});
