import { once } from "node:events";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import type { ProblemNote } from "../../src/compose/beats.ts";
import { neededResponders, startResponder, startTlsAlpnResponder } from "../../src/compose/responder.ts";
import { raceAbort } from "../../src/domain/abort.ts";
import type { NamedSolver, Solver } from "../../src/domain/issuer.ts";
import { tlsAlpnPlace } from "../../src/domain/tlsAlpn.ts";
import { http01 } from "../../src/solvers/http01.ts";
import { tlsAlpn01 } from "../../src/solvers/tlsAlpn01.ts";
import { freePort } from "../support/freePort.ts";
import { memoryChallenges } from "../support/model/orderMemory.ts";
import { shakeHands } from "../support/tlsAlpn.ts";

const LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const TOKEN = "token-token-token";

function fixture() {
  const notes: (ProblemNote | null)[] = [];
  const { promise: ready, resolve: onReady } = Promise.withResolvers<void>();
  const { promise: wake, resolve: retry } = Promise.withResolvers<void>();
  const challenges = memoryChallenges();
  challenges.stored.set(TOKEN, `${TOKEN}.thumb`);
  const sleep = (_durationMs: number, signal: AbortSignal) => raceAbort(signal, () => wake);
  const clock = { now: Date.now, monotonic: () => performance.now(), sleep };
  const start = (at: { host: string; port: number } | null) =>
    // Of the store only the challenges are read.
    startResponder({ store: { challenges }, log: LOG, clock }, { at, onReady, note: (each) => void notes.push(each) });
  const startTlsAlpn = (at: { host: string; port: number } | null) =>
    startTlsAlpnResponder(
      { store: { challenges }, log: LOG, clock },
      { at, onReady, note: (each) => void notes.push(each) },
    );
  return { challenges, notes, ready, retry, start, startTlsAlpn };
}

async function answerAt(host: string, port: number): Promise<string> {
  const answer = await fetch(`http://${host}:${port}/.well-known/acme-challenge/${TOKEN}`);
  return answer.text();
}

it("a port that another program holds is reported with what to do, and listened on once it is free", async () => {
  const stranger = createServer().listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const address = stranger.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { notes, ready, retry, start } = fixture();
  const responder = await start({ host: "127.0.0.1", port });
  expect(notes).toHaveLength(1);
  expect(notes[0]?.message).toMatch(
    /another program listens on port \d+ of 127.0.0.1: stop it, or .* `webroot` solver/,
  );
  stranger.close();
  await once(stranger, "close");
  retry();
  await ready;
  expect(notes.at(-1)).toBeNull();
  expect(await answerAt("127.0.0.1", port)).toBe(`${TOKEN}.thumb`);
  await responder.close();
});

it("an address that this machine does not have is reported, and a reload corrects it", async () => {
  const port = await freePort();
  const { notes, ready, start } = fixture();
  const responder = await start({ host: "192.0.2.1", port });
  expect(notes[0]?.message).toContain("this machine has no address 192.0.2.1: correct `http01.host`");
  await responder.move({ host: "127.0.0.1", port });
  await ready;
  expect(await answerAt("127.0.0.1", port)).toBe(`${TOKEN}.thumb`);
  await responder.close();
});

it("without a solver that needs it nothing listens, and orders may begin", async () => {
  const { notes, ready, start } = fixture();
  const responder = await start(null);
  await ready;
  expect(notes).toEqual([null]);
  await responder.close();
});

it("tls-alpn-01 waits for its port just so, and listens no more when no solver needs it", async () => {
  const stranger = createServer().listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const address = stranger.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { challenges, notes, ready, retry, startTlsAlpn } = fixture();
  challenges.stored.set(tlsAlpnPlace({ type: "dns", value: "www.example.org" }), `${TOKEN}.thumb`);
  const responder = await startTlsAlpn({ host: "127.0.0.1", port });
  expect(notes.map((each) => each?.message)).toEqual([expect.stringContaining("ALPN protocol acme-tls/1")]);
  stranger.close();
  await once(stranger, "close");
  retry();
  await ready;
  expect(notes.at(-1)).toBeNull();
  expect(await shakeHands({ port, serverName: "www.example.org" })).toMatchObject({ protocol: "acme-tls/1" });
  await responder.move(null);
  await expect(shakeHands({ port, serverName: "www.example.org" })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await responder.close();
});

it("the default address takes IPv6 and IPv4 connections", async () => {
  const port = await freePort();
  const { ready, start } = fixture();
  const responder = await start({ host: "::", port });
  await ready;
  for (const host of ["127.0.0.1", "[::1]"]) expect(await answerAt(host, port)).toBe(`${TOKEN}.thumb`);
  await responder.close();
});

it("is asked by an order of which one name at least is answered through it, and by no other", () => {
  const solver = (challengeType: string, zones: readonly string[] = []): NamedSolver => {
    const foreign: Solver = { challengeType, present: async () => {}, cleanUp: async () => {} };
    return { name: challengeType, zones, solver: foreign };
  };
  const own = http01.create({}, { challenges: memoryChallenges(), now: Date.now });
  const responder: NamedSolver = { name: "responder", zones: [], solver: own };
  const webroot = solver("http-01");
  const dns = solver("dns-01", ["example.org"]);
  const identifiers = ["a.example.org", "b.example.com"].map((value) => ({ type: "dns" as const, value }));
  const asks = (...solvers: readonly NamedSolver[]): string[] => [...neededResponders({ identifiers }, solvers)];
  expect([asks(responder), asks(dns, responder)]).toEqual([["http01"], ["http01"]]);
  expect([asks(webroot, responder), asks(dns, webroot)]).toEqual([[], []]);
  const alpn = tlsAlpn01.create({}, { challenges: memoryChallenges(), now: Date.now });
  const both = [
    { ...responder, zones: ["example.org"] },
    { name: "alpn", zones: [], solver: alpn },
  ];
  expect(asks(...both)).toEqual(["http01", "tlsAlpn01"]);
});

it("a validation from several places reads its answer once, and one that is not there each time", async () => {
  const { challenges, start } = fixture();
  const asked: string[] = [];
  const { get } = challenges;
  challenges.get = (token) => {
    asked.push(token);
    return get(token);
  };
  const port = await freePort();
  const responder = await start({ host: "127.0.0.1", port });
  challenges.stored.delete(TOKEN);
  await answerAt("127.0.0.1", port);
  await answerAt("127.0.0.1", port);
  expect(asked).toHaveLength(2);
  challenges.stored.set(TOKEN, `${TOKEN}.thumb`);
  const answers = await Promise.all(Array.from({ length: 4 }, () => answerAt("127.0.0.1", port)));
  expect(new Set(answers)).toEqual(new Set([`${TOKEN}.thumb`]));
  expect(asked).toHaveLength(3);
  await responder.close();
});
