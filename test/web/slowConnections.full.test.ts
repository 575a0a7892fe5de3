import { once } from "node:events";
import { get } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startHttp01Responder } from "../../src/web/http01.ts";
import type { Listener } from "../../src/web/listen.ts";
import { until } from "../support/until.ts";

const TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
const PATH = `/.well-known/acme-challenge/${TOKEN}`;
const SLOW = 2_000;
const REAL = 200;
/** As long as Let's Encrypt waits. */
const ANSWER_MAX_MS = 10_000;

let responder: Listener;
const open = new Set<Socket>();

beforeEach(async () => {
  responder = await startHttp01Responder({
    host: "127.0.0.1",
    port: 0,
    challenges: { get: async () => `${TOKEN}.thumb` },
  });
});

afterEach(async () => {
  for (const socket of open) socket.destroy();
  open.clear();
  await responder.close();
});

/** Begins a request and never ends it. */
function slow(localAddress: string): Socket {
  const socket = connect({ port: responder.port, host: "127.0.0.1", localAddress });
  open.add(socket);
  socket.on("error", () => {});
  socket.once("connect", () => socket.write("GET /.well-known/acme"));
  socket.once("close", () => open.delete(socket));
  return socket;
}

async function answered(localAddress: string): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWER_MAX_MS);
  const request = get({ port: responder.port, host: "127.0.0.1", path: PATH, localAddress, agent: false, signal });
  request.on("error", () => {});
  const [response] = await once(request, "response", { signal }).catch(() => []);
  response?.resume();
  return response?.statusCode === 200;
}

it("2,000 slow connections that come back when closed leave 99 % of the CA's requests answered", async () => {
  let attacking = true;
  let opened = 0;
  // Addresses beside the CA's own, a hundred connections each.
  const attack = async (localAddress: string): Promise<void> => {
    while (attacking) {
      const socket = slow(localAddress);
      opened += 1;
      await once(socket, "close").catch(() => {});
      await delay(100);
    }
  };
  const attackers = Array.from({ length: SLOW }, (_, index) => attack(`127.0.1.${1 + (index % 20)}`));
  await until("2,000 slow connections", async () => (opened >= SLOW ? opened : null));
  const results: boolean[] = [];
  for (let round = 0; round < REAL / 20; round++) {
    const burst = Array.from({ length: 20 }, (_, index) => answered(`127.0.2.${1 + (index % 4)}`));
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
