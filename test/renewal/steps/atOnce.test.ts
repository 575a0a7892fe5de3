// Many certificates at one address of one process, proved at once over a scripted kernel: what it costs, and that a
// share of connections which somebody else answers is still found.
import { expect, it } from "vitest";
import type { Clock } from "../../../src/domain/clock.ts";
import type { Probe } from "../../../src/domain/probe.ts";
import { ESTABLISHED, LISTENING, type SocketEntry } from "../../../src/process/sockets.ts";
import { createNeighbours, type Kernel } from "../../../src/process/soleServer.ts";
import { noEvidence } from "../../../src/renewal/rules/proof.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { type Gathered, gatherEvidence } from "../../../src/renewal/steps/gatherEvidence.ts";
import { untilDeadline } from "../../../src/renewal/steps/verify.ts";
import { NOW, version } from "../../support/model/facts.ts";
import { seeded } from "../../support/model/random.ts";

const SIGNAL = new AbortController().signal;
const [SERVER, OTHER] = [10, 20];
const [ADDRESS, PORT, CLIENT] = ["192.0.2.1", 443, "192.0.2.1"];
const TERMS = DEFAULT_SETTINGS.proof;

/** A server at its address; the kernel gives some connections to somebody else. */
class Machine {
  now = NOW;
  readings = 0;
  handshakes = 0;
  readonly #sockets = new Map<number, SocketEntry>();
  readonly #holders = new Map<number, number[]>();
  readonly #isTranslated: (connection: number) => boolean;
  #inode = 1;

  constructor(isTranslated: (connection: number) => boolean = () => false) {
    this.#isTranslated = isTranslated;
    this.#open({ address: ADDRESS, peer: "0.0.0.0", peerPort: 0, state: LISTENING }, SERVER);
  }

  #open(socket: Omit<SocketEntry, "inode">, holder: number): number {
    this.#inode += 1;
    this.#sockets.set(this.#inode, { ...socket, inode: this.#inode });
    this.#holders.set(this.#inode, [holder]);
    return this.#inode;
  }

  readonly #kernel: Kernel = {
    tcpSockets: async () => {
      this.readings += 1;
      const seen = [...this.#sockets.values()];
      return () => seen;
    },
    socketHolders: async () => new Map(this.#holders),
    socketsOf: (pid) => new Set([...this.#holders].flatMap(([inode, [by]]) => (by === pid ? [inode] : []))),
  };
  readonly #neighbours = createNeighbours(this.#kernel, () => this.now);

  readonly #probe: Probe = {
    ...this.#neighbours,
    addresses: async () => [ADDRESS],
    observe: async ({ port, sni, server }, address) => {
      this.handshakes += 1;
      const peerPort = 10_000 + this.handshakes;
      const at = this.now;
      const seen = { address, port, sni, at, durationMs: 1, served: null, problem: null };
      if (server === undefined) return seen;
      const isTranslated = this.#isTranslated(this.handshakes);
      // Translated to another address, the other end has other ends of its own.
      const reached = isTranslated ? "172.17.0.2" : ADDRESS;
      const socket = { address: reached, peer: CLIENT, peerPort, state: ESTABLISHED };
      const inode = this.#open(socket, isTranslated ? OTHER : SERVER);
      const ends = { localAddress: CLIENT, localPort: peerPort, remoteAddress: address, remotePort: port };
      const { isSoleServer, holdsOtherEnd } = this.#neighbours;
      const told = await Promise.all([isSoleServer(server, { address, port }), holdsOtherEnd(server, ends)]);
      this.#sockets.delete(inode);
      this.#holders.delete(inode);
      return told.every(Boolean) ? { ...seen, byServer: true } : seen;
    },
  };

  readonly #clock: Clock = {
    now: () => this.now,
    monotonic: () => this.now,
    sleep: async (durationMs) => {
      const wakesAt = this.now + durationMs;
      await null;
      this.now = Math.max(this.now, wakesAt);
    },
  };

  verify(index: number): Promise<Gathered> {
    const made = version({ certificate: `c${index}`, generation: 2 });
    const endpoint = { host: ADDRESS, port: PORT, sni: `c${index}.example.org`, target: "lb" };
    return gatherEvidence(
      { clock: this.#clock, probe: this.#probe },
      {
        ...{ endpoint, address: ADDRESS, version: made, terms: TERMS, nameOf: async () => "generation 1" },
        ...{ server: async () => SERVER, ...untilDeadline(made, this.#clock, 60_000)(noEvidence(2), TERMS) },
      },
      SIGNAL,
    );
  }
}

it("one certificate takes 40 handshakes, and three readings of the kernel's tables", async () => {
  const machine = new Machine();
  expect(await machine.verify(0)).toMatchObject({ proved: true, evidence: { good: 40, attested: 40, server: SERVER } });
  expect([machine.handshakes, machine.readings, machine.now]).toEqual([40, 3, NOW]);
});

it("a hundred at once take three each, and one reading together; one soon after takes three as well", async () => {
  const machine = new Machine();
  const found = await Promise.all(Array.from({ length: 100 }, (_, index) => machine.verify(index)));
  for (const { proved, evidence } of found)
    expect({ proved, evidence }).toMatchObject({ proved: true, evidence: { good: 3, attested: 300, server: SERVER } });
  expect([machine.handshakes, machine.readings, machine.now]).toEqual([300, 1, NOW]);
  machine.now += 9_000;
  expect((await machine.verify(100)).evidence.good).toBe(3);
  machine.now += 10_000;
  expect((await machine.verify(101)).evidence.good).toBe(40);
});

it("one connection that somebody else answers makes all of them wait, and those of the next ten seconds", async () => {
  const machine = new Machine((connection) => connection === 5);
  const found = await Promise.all(Array.from({ length: 30 }, (_, index) => machine.verify(index)));
  for (const { proved, evidence } of found) expect([proved, evidence.server]).toEqual([true, undefined]);
  expect(machine.now - NOW).toBeGreaterThanOrEqual(TERMS.spreadMs);
});

it("finds that 1 of 8 connections or more goes elsewhere, however many certificates share what was seen", async () => {
  const random = seeded(12);
  const machines = Array.from({ length: 60 }, () => {
    const part = 1 / 8 + random.next() * (7 / 8);
    return new Machine(() => random.chance(part));
  });
  const proofs = await Promise.all(
    machines.map((machine) => Promise.all(Array.from({ length: 15 }, (_, index) => machine.verify(index)))),
  );
  const atOnce = proofs.map((all) => all.filter(({ evidence }) => evidence.server !== undefined).length);
  expect(atOnce.filter((count) => count > 0).length).toBeLessThanOrEqual(1);
});
