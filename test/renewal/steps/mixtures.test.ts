// Addresses that serve the new pair on some connections and the old one on others, in simulated time.
import { describe, expect, it } from "vitest";
import type { Clock } from "../../../src/domain/clock.ts";
import type { Evidence, Observation } from "../../../src/domain/endpoint.ts";
import type { Probe } from "../../../src/domain/probe.ts";
import { isMixed, isProved, type ProofTerms } from "../../../src/renewal/rules/proof.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { type Gathered, gatherEvidence } from "../../../src/renewal/steps/gatherEvidence.ts";
import { untilDeadline } from "../../../src/renewal/steps/verify.ts";
import { lookAt } from "../../../src/renewal/watch/observe.ts";
import { NOW, version } from "../../support/model/facts.ts";
import { type Random, seeded } from "../../support/model/random.ts";

const SIGNAL = new AbortController().signal;
const TIMEOUT_MS = 60_000;
const TERMS: ProofTerms = DEFAULT_SETTINGS.proof;
const VERSION = version({ generation: 7 });

const SERVER = 4242;

/** What the kernel tells of the process that took the swap. */
interface Neighbours {
  /** Whether it held the other end of this connection. */
  readonly answers: (connection: number) => boolean;
  readonly isSole: () => boolean;
  /** Connections of other certificates to the address a moment ago. Left out: none. */
  readonly attested?: number;
}

type Answer = "new" | "old" | "none" | "dropped" | "silent" | "undialable";

/** One address in a time of its own. */
class Address {
  now = NOW;
  connections = 0;
  readonly openedAt: number[] = [];
  evidence: Evidence | null = null;
  readonly clock: Clock;
  readonly #answer: (connection: number) => Answer;
  /** Absent: nobody can tell who answers. */
  readonly #neighbours: Neighbours | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Connections in a row, also of other certificates, whose other end the process held. */
  #attested = 0;

  constructor(answer: (connection: number) => Answer, neighbours?: Neighbours) {
    this.#answer = answer;
    this.#neighbours = neighbours;
    this.clock = {
      now: () => this.now,
      monotonic: () => this.now,
      // Several that sleep at the same time wake in order.
      sleep: async (durationMs) => {
        const wakesAt = this.now + durationMs;
        const turn = this.#turn;
        this.#turn = turn.then(opened);
        await turn;
        this.now = Math.max(this.now, wakesAt);
      },
    };
  }

  readonly #probe: Probe = {
    addresses: async ({ host }) => [host],
    attested: () => this.#attested + (this.#neighbours?.attested ?? 0),
    observe: async ({ port, sni, server }, address) => {
      this.connections += 1;
      const isHeld = server === SERVER && this.#neighbours?.answers(this.connections) === true;
      this.#attested = isHeld ? this.#attested + 1 : 0;
      const byServer = isHeld && this.#neighbours?.isSole() === true;
      this.openedAt.push(this.now);
      const answer = this.#answer(this.connections);
      const problems = {
        new: null,
        old: { code: "verify.stale", message: "serves serial 06" },
        none: { code: "verify.unreachable", message: "connection refused" },
        dropped: { code: "verify.dropped", message: "the peer closed the connection" },
        silent: { code: "verify.timeout", message: "no handshake within 5000 ms" },
        undialable: { code: "verify.undialable", message: "no route" },
      };
      const seen = { address, port, sni, at: this.now, durationMs: 1, served: null, problem: problems[answer] };
      return byServer ? { ...seen, byServer } : seen;
    },
  };

  async verify(): Promise<Gathered> {
    return this.#gather(untilDeadline(VERSION, this.clock, TIMEOUT_MS)(this.evidence, TERMS));
  }

  async look(): Promise<Gathered> {
    return this.#gather(lookAt(VERSION, 3)(this.evidence, TERMS));
  }

  async #gather(how: ReturnType<ReturnType<typeof lookAt>>): Promise<Gathered> {
    const endpoint = { host: "192.0.2.1", port: 443, sni: "www.example.org", target: null };
    const nameOf = async (_: Observation): Promise<string> => "generation 6";
    const server = async (): Promise<number | null> => (this.#neighbours === undefined ? null : SERVER);
    const aim = { endpoint, address: endpoint.host, version: VERSION, terms: TERMS, nameOf, server, ...how };
    const gathered = await gatherEvidence({ clock: this.clock, probe: this.#probe }, aim, SIGNAL);
    this.evidence = gathered.evidence;
    return gathered;
  }
}

/** Resolves when whoever woke before has opened its connection. */
async function opened(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await null;
}

const every = (nth: number) => (connection: number) => (connection % nth === 0 ? "old" : "new");
const share = (part: number, random: Random) => () => (random.chance(part) ? "old" : "new");
/** Serves the old pair for `part` of each turn, which takes 50 ms to 8 s. */
const turns = (part: number, random: Random, now: () => number) => {
  const [periodMs, phase] = [8_000 * 160 ** -random.next(), random.next()];
  return () => ((now() / periodMs + phase) % 1 < part ? "old" : "new");
};

describe("a server that limits connections", () => {
  it.each(["dropped", "silent"] as const)("so that one of four is %s is proved all the same", async (refused) => {
    const address = new Address((connection) => (connection % 4 === 0 ? refused : "new"));
    expect(await address.verify()).toMatchObject({ proved: true });
  });

  it.each(["dropped", "silent"] as const)("to ten a minute, others %s, is proved by one at a time", async (refused) => {
    let [windowAt, opened] = [NOW, 0];
    const address = new Address((): Answer => {
      if (address.now - windowAt >= 60_000) [windowAt, opened] = [address.now, 0];
      opened += 1;
      return opened > 10 ? refused : "new";
    });
    expect(await address.verify()).toMatchObject({ proved: true });
    expect(address.now - NOW).toBeLessThan(6 * 60_000);
  });

  it("keeps what was counted for the next look, while a server that is down begins again", async () => {
    let answer: Answer = "new";
    const address = new Address((connection) => (connection <= 12 ? "new" : answer));
    answer = "dropped";
    expect(await address.look()).toMatchObject({ proved: false });
    expect(address.evidence?.good).toBe(12);
    answer = "none";
    expect(await address.look()).toMatchObject({ proved: false });
    expect(address.evidence?.good).toBe(0);
  });

  it("keeps what was counted if it is silent at times, and begins again after a look that was silent throughout", async () => {
    let silentFrom = 12;
    const address = new Address((connection) => (connection <= silentFrom ? "new" : "silent"));
    expect(await address.look()).toMatchObject({ proved: false });
    expect(address.evidence?.good).toBe(12);
    silentFrom = 0;
    expect(await address.look()).toMatchObject({ proved: false });
    expect(address.evidence?.good).toBe(0);
  });
});

it("an address that cannot be dialled from here takes no time", async () => {
  const address = new Address(() => "undialable");
  expect(await address.verify()).toMatchObject({
    proved: false,
    observation: { problem: { code: "verify.undialable" } },
  });
  expect(address.connections).toBe(2);
});

describe("a mixed address", () => {
  it("is proved falsely in at most 1 of 100 cases, by verifier and observer together", async () => {
    const random = seeded(10);
    let falseProofs = 0;
    for (let mixture = 0; mixture < 1_000; mixture += 1) {
      // From the smallest share that is promised to be found up to half of all.
      const part = mixture % 4 < 2 ? 1 / 8 : 1 / 8 + random.next() * (3 / 8);
      const old = mixture % 2 === 0 ? share : turns;
      const address: Address = new Address(old(part, random, () => address.now));
      let proved = (await address.verify()).proved;
      for (let look = 0; look < 20 && !proved; look += 1) {
        address.now += 60_000;
        proved = (await address.look()).proved;
      }
      falseProofs += proved ? 1 : 0;
    }
    expect(falseProofs).toBeLessThanOrEqual(10);
  }, 60_000);

  it("is found whenever it serves the old pair for one second in eight, at whatever moment the proof begins", async () => {
    const random = seeded(8);
    let missed = 0;
    for (let mixture = 0; mixture < 250; mixture += 1) {
      const phaseMs = random.next() * 8_000;
      const address: Address = new Address(() => ((address.now + phaseMs) % 8_000 < 1_000 ? "old" : "new"));
      missed += (await address.verify()).proved ? 1 : 0;
    }
    expect(missed).toBe(0);
  });

  it.each([2, 3, 4, 8])("is found where every %ith connection gets the old pair, and is never proved", async (nth) => {
    const address = new Address(every(nth));
    const { proved, observation } = await address.verify();
    expect(proved).toBe(false);
    expect(observation.problem?.code).toBe("verify.mixed");
    expect(observation.problem?.message).toMatch(/^serves 2 certificates: \d+ % generation 6$/);
    for (let look = 0; look < 30; look += 1) {
      address.now += 60_000;
      expect((await address.look()).proved).toBe(false);
    }
    expect(address.evidence && isMixed(address.evidence)).toBe(true);
  });

  it("is proved by the observer only with what the verifier would need, added up over looks", async () => {
    let clean = false;
    const address = new Address((connection) => (clean || connection % 2 === 0 ? "new" : "old"));
    await address.verify();
    clean = true;
    const before = address.connections;
    let looks = 0;
    for (let proved = false; !proved; looks += 1) {
      address.now += 60_000;
      ({ proved } = await address.look());
    }
    const { evidence } = address;
    expect(evidence && isProved(evidence, TERMS)).toBe(true);
    expect(address.connections - before).toBeGreaterThan(40);
    expect(looks).toBeLessThan(5);
  });

  it("that was proved by chance is reopened by its first old certificate, and stays open for that look", async () => {
    let isOld = (_: number): boolean => false;
    const address = new Address((connection) => (isOld(connection) ? "old" : "new"));
    expect((await address.verify()).proved).toBe(true);
    const oldAt = address.connections + 2;
    isOld = (connection) => connection === oldAt;
    const reopened = await address.look();
    expect(reopened.proved).toBe(false);
    expect(reopened.observation.problem?.code).toBe("verify.mixed");
    expect(reopened.evidence.relapses).toBe(1);
  });

  it("is told from an address that somebody has written over", async () => {
    let written = false;
    const address = new Address(() => (written ? "old" : "new"));
    await address.verify();
    written = true;
    expect((await address.look()).observation.problem?.code).toBe("verify.stale");
  });
});

describe("an address at which the process that took the swap answers", () => {
  const always = { answers: () => true, isSole: () => true };

  it("is proved by as many connections without waiting, and stays proved", async () => {
    const address = new Address(() => "new", always);
    expect(await address.verify()).toMatchObject({ proved: true, evidence: { good: 40, server: SERVER } });
    expect(address.now).toBe(NOW);
    address.now += 60_000;
    expect((await address.look()).proved).toBe(true);
    expect(address.connections).toBe(43);
  });

  it("is proved by three where so many of other certificates were answered by it a moment ago", async () => {
    const address = new Address(() => "new", { ...always, attested: 37 });
    const evidence = { good: 3, server: SERVER, attested: 40 };
    expect(await address.verify()).toMatchObject({ proved: true, evidence });
    expect([address.connections, address.now]).toEqual([3, NOW]);
    expect((await address.look()).proved).toBe(true);
  });

  it("takes the missing ones where others made a few", async () => {
    const address = new Address(() => "new", { ...always, attested: 30 });
    expect(await address.verify()).toMatchObject({ proved: true, evidence: { good: 10, attested: 40 } });
  });

  it("waits as anywhere else where another certificate was met before", async () => {
    const address = new Address((connection) => (connection === 2 ? "old" : "new"), { ...always, attested: 40 });
    expect((await address.verify()).evidence.server).toBeUndefined();
    await address.verify();
    const { relapses, server } = address.evidence ?? {};
    expect({ relapses, server }).toEqual({ relapses: 1, server: undefined });
  });

  it.each<[string, Neighbours]>([
    ["another one listens there too", { ...always, isSole: () => false }],
    ["a balancer takes the connections", { ...always, answers: () => false }],
    ["one connection of forty is taken by another one", { ...always, answers: (connection) => connection !== 40 }],
  ])("waits as anywhere else where %s", async (_, neighbours) => {
    const address = new Address(() => "new", neighbours);
    const { proved, evidence } = await address.verify();
    expect({ proved, server: evidence.server }).toEqual({ proved: true, server: undefined });
    expect(address.now - NOW).toBeGreaterThanOrEqual(TERMS.spreadMs);
  });

  it("waits where another one has begun to listen by the end", async () => {
    let asked = 0;
    const address = new Address(() => "new", { ...always, isSole: () => ++asked < 40 });
    expect((await address.verify()).evidence.server).toBeUndefined();
    expect(asked).toBe(40);
    expect(address.now - NOW).toBeGreaterThanOrEqual(TERMS.spreadMs);
  });

  it.each(["old", "none", "dropped"] as const)("waits after one connection that is %s", async (answer) => {
    const address = new Address((connection) => (connection === 7 ? answer : "new"), always);
    expect((await address.verify()).evidence.server).toBeUndefined();
    expect(address.now - NOW).toBeGreaterThanOrEqual(TERMS.spreadMs);
  });

  it("is taken for mixed by its first old connection once it is proved", async () => {
    let old = false;
    const address = new Address(() => (old ? "old" : "new"), always);
    await address.verify();
    old = true;
    expect(await address.look()).toMatchObject({ proved: false, evidence: { good: 0, relapses: 1 } });
    expect(address.evidence?.server).toBeUndefined();
  });

  it("is not proved for a part of its connections that somebody else takes, in 250 mixtures", async () => {
    const random = seeded(9);
    let falseProofs = 0;
    for (let mixture = 0; mixture < 250; mixture += 1) {
      // The kernel translates some connections to a balancer, which is old in the first second of eight.
      const part = 1 / 8 + random.next() * (7 / 8);
      const translated = Array.from({ length: 400 }, () => random.chance(part));
      const phaseMs = 1_000 + random.next() * 7_000;
      const isOldTurn = (): boolean => (address.now - NOW + phaseMs) % 8_000 < 1_000;
      const address: Address = new Address(
        (connection) => (translated[connection % 400] && isOldTurn() ? "old" : "new"),
        { ...always, answers: (connection) => !translated[connection % 400] },
      );
      const { proved, evidence } = await address.verify();
      // What is proved without waiting is proved too soon.
      falseProofs += proved && evidence.server !== undefined ? 1 : 0;
    }
    expect(falseProofs).toBeLessThanOrEqual(2);
  });
});

describe("a healthy address", () => {
  it("is proved by 40 connections in about ten seconds, at most four of them at a time", async () => {
    const address = new Address(() => "new");
    expect((await address.verify()).proved).toBe(true);
    expect(address.connections).toBeGreaterThanOrEqual(40);
    expect(address.connections).toBeLessThanOrEqual(44);
    expect(address.now - NOW).toBeGreaterThanOrEqual(10_000);
    expect(address.now - NOW).toBeLessThan(12_000);
    const groups = Map.groupBy(address.openedAt, (at) => at);
    expect(Math.max(...[...groups.values()].map(({ length }) => length))).toBeLessThanOrEqual(4);
  });

  it("loses no evidence to a connection that is reset, and is asked more slowly then", async () => {
    const address = new Address((connection) => (connection % 5 === 0 ? "none" : "new"));
    const { proved, evidence } = await address.verify();
    expect(proved).toBe(true);
    expect(evidence).toMatchObject({ good: expect.any(Number), relapses: 0 });
    expect(address.connections).toBeLessThan(60);
  });

  it("is proved while old workers of a reload still answer for a second and a half", async () => {
    const address: Address = new Address((connection) =>
      address.now - NOW < 1_500 && connection % 3 === 0 ? "old" : "new",
    );
    expect((await address.verify()).proved).toBe(true);
    expect(address.now - NOW).toBeLessThan(20_000);
  });

  it("costs one look a few connections once it is proved", async () => {
    const address = new Address(() => "new");
    await address.verify();
    const before = address.connections;
    expect((await address.look()).proved).toBe(true);
    expect(address.connections - before).toBe(3);
  });
});

describe("an address that stops answering", () => {
  it("fails by the deadline, and takes the full count when it answers again", async () => {
    let down = true;
    const address = new Address(() => (down ? "none" : "new"));
    const failed = await address.verify();
    expect(failed).toMatchObject({ proved: false, observation: { problem: { code: "verify.unreachable" } } });
    expect(address.now - NOW).toBeGreaterThanOrEqual(TIMEOUT_MS);
    down = false;
    const before = address.connections;
    expect((await address.look()).proved).toBe(true);
    expect(address.connections - before).toBeGreaterThanOrEqual(40);
  });

  it("ends its row when a whole look was not answered: another process may answer next", async () => {
    let down = false;
    const address = new Address(() => (down ? "none" : "new"));
    await address.verify();
    down = true;
    expect((await address.look()).proved).toBe(false);
    expect(address.evidence).toMatchObject({ good: 0 });
  });
});
