import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Job } from "../../../src/domain/queue.ts";
import type { RenewalInfo } from "../../../src/domain/renewalInfo.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { POLL_BATCHES, pollRenewalInfo } from "../../../src/renewal/plan/renewalInfo.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { certificate, DAY_MS, endpointStatus, ISSUED_AT, NOW, version } from "../../support/model/facts.ts";

/** The real store and verbs; the CAs only say what a test makes them say. */
const HOUR_MS = 3_600_000;
const NO_SIGNAL = new AbortController().signal;
const SUGGESTED: RenewalInfo = {
  start: ISSUED_AT + 50 * DAY_MS,
  end: ISSUED_AT + 52 * DAY_MS,
  explanationUrl: null,
  pollAt: NOW + 6 * HOUR_MS,
};

let directory: string;
let store: Store;
let now: number;
let asked: string[];
let jobs: Job[];
let certificates: Certificate[];
/** What each issuer answers; null: it has no renewalInfo. */
let answers: Record<string, (() => RenewalInfo | null | Promise<RenewalInfo>) | null>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-ari-"));
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  store = await openStore({ kind: "sqlite", file: join(directory, "store.sqlite") }, vault, "test");
  [now, asked, jobs, certificates, answers] = [NOW, [], [], [], { ca: () => SUGGESTED }];
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

function context(batch = 200): Context {
  return {
    store,
    queue: { enqueue: async (more) => void jobs.push(...more) },
    probe: { addresses: async () => [], observe: async () => expect.unreachable() },
    services: {
      certificates: () => certificates,
      issuerNames: () => ["ca"],
      budget: unlimited,
      certificate: (name) => certificates.find((each) => each.name === name) ?? null,
      issuer(name) {
        const answer = answers[name];
        if (answer === undefined) throw new RenewalError("config.removed", `issuer "${name}" is gone`);
        const renewalInfo = async (leafPem: string): Promise<RenewalInfo | null> => {
          asked.push(leafPem);
          return answer?.() ?? null;
        };
        return { issue: async () => expect.unreachable(), ...(answer !== null && { renewalInfo }) };
      },
      solver: () => expect.unreachable(),
      solvers: () => expect.unreachable(),
      deployer: () => expect.unreachable(),
      limits: () => ({}),
      responsibility: () => null,
      reloads: () => false,
      rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
      hasAgent: () => false,
      places: () => [],
      ownCsr: () => null,
      channels: () => new Map(),
    },
    clock: { now: () => now, monotonic: () => now, sleep: async () => {} },
    clockGuard: { check: async () => {} },
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    settings: { ...DEFAULT_SETTINGS, batch },
  };
}

interface Issued {
  readonly issuer?: string;
  readonly notAfter?: number;
}

/** Issued, deployed and proved; the planner has nothing to do for it before its own window. */
async function live(names: readonly string[], { issuer = "ca", notAfter }: Issued = {}): Promise<void> {
  await store.transaction(async (tx) => {
    for (const [index, name] of names.entries()) {
      certificates.push(certificate({ name, issuer: issuer === "imported" ? "ca" : issuer }));
      const leaf = { ...version().leaf, ...(notAfter !== undefined && { notAfter: notAfter + index * HOUR_MS }) };
      await tx.versions.insert(version({ certificate: name, issuer, leaf, leafPem: name }), new Secret("key"));
      await tx.deployments.want(name, ["lb"], 1);
      await tx.deployments.update(name, "lb", 0, { deployedGeneration: 1 });
      await tx.observations.record(endpointStatus({ certificate: name }), []);
      await tx.renewalInfos.watch(name, 1, now);
    }
    await tx.certificates.sync(certificates, now);
  });
  while ((await store.certificates.due(now, 1)).length > 0) await planDue(context(), NO_SIGNAL);
  expect(jobs).toEqual([]);
}

async function replaced(): Promise<void> {
  await live(["www"]);
  await store.versions.insert(version({ generation: 2 }), new Secret("key"));
}

const poll = (batch?: number): Promise<number> => pollRenewalInfo(context(batch), NO_SIGNAL);
const events = async (): Promise<string[]> =>
  (await store.events.list({ limit: 9_999 })).map(({ type }) => type).filter((type) => type.startsWith("renewalInfo"));

describe("polling renewalInfo", () => {
  it("chooses an instant in the window once, and the planner comes back then", async () => {
    await live(["www"]);
    expect(await poll()).toBe(0);
    const first = await store.renewalInfos.get("www");
    expect(first?.renewAt).toBeGreaterThanOrEqual(SUGGESTED.start);
    expect(first?.renewAt).toBeLessThan(SUGGESTED.end);
    expect(first?.nextPollAt).toBeGreaterThanOrEqual(SUGGESTED.pollAt);
    expect(first?.nextPollAt).toBeLessThanOrEqual(SUGGESTED.pollAt + 0.05 * 6 * HOUR_MS);
    expect((await store.certificates.get("www"))?.nextCheckAt).toBe(first?.renewAt);

    for (let round = 0; round < 20; round++) {
      now += 7 * HOUR_MS;
      await poll();
    }
    expect(asked).toHaveLength(21);
    expect((await store.renewalInfos.get("www"))?.renewAt).toBe(first?.renewAt);
    expect(await events()).toEqual(["renewalInfo.suggested"]);
  });

  it("asks no more often than the CA wants", async () => {
    await live(["www"]);
    await poll();
    now += 5 * HOUR_MS;
    await poll();
    expect(asked).toHaveLength(1);
  });

  it("makes a certificate due at once when its window moves into the past", async () => {
    await live(["www"]);
    await poll();
    now += 7 * HOUR_MS;
    answers.ca = () => ({
      ...SUGGESTED,
      start: NOW - 2 * DAY_MS,
      end: NOW - DAY_MS,
      explanationUrl: "https://ca.example/incident",
    });
    expect(await poll()).toBe(1);
    const [renewal] = await planDue(context(), NO_SIGNAL);
    expect(renewal).toMatchObject({
      reason: "renewalInfo",
      generation: 2,
      reasonDetail: expect.stringContaining("https://ca.example/incident"),
    });
    expect(
      (await store.events.list({ certificate: "www", types: ["renewalInfo.suggested"], limit: 9 })).at(-1)?.detail,
    ).toMatchObject({
      moved: true,
      explanationUrl: "https://ca.example/incident",
    });
  });

  it.each<[string, () => Promise<void>]>([
    ["an expired certificate", () => live(["www"], { notAfter: NOW - 1 }).catch(() => {})],
    ["a replaced version", replaced],
  ])("asks nothing for %s, now or later", async (_name, arrange) => {
    await arrange();
    await poll();
    expect(asked).toEqual([]);
    expect(await store.renewalInfos.get("www")).toMatchObject({ nextPollAt: null });
  });

  it.each<[string, string]>([
    ["an issuer without renewalInfo", "plain"],
    ["an issuer that left the configuration", "gone"],
  ])("asks nothing of %s and looks again the next day", async (_name, issuer) => {
    answers.plain = null;
    await live(["www"], { issuer });
    await poll();
    expect(asked).toEqual([]);
    expect(await store.renewalInfos.get("www")).toMatchObject({ nextPollAt: NOW + DAY_MS, renewAt: null });
  });

  it("asks the configured CA for an imported pair too; a pair it does not know keeps its own window", async () => {
    await live(["www"], { issuer: "imported" });
    await poll();
    expect(await store.renewalInfos.get("www")).toMatchObject({ windowStart: SUGGESTED.start, errorCode: null });
    answers.ca = () => {
      throw new RenewalError("acme.refused", "no such certificate");
    };
    now += DAY_MS;
    await poll();
    expect(await store.renewalInfos.get("www")).toMatchObject({
      renewAt: null,
      errorCode: null,
      nextPollAt: now + DAY_MS,
    });
  });

  it("takes another explanation of the same window for no move, and polls no later than a day on", async () => {
    answers.ca = () => ({ ...SUGGESTED, pollAt: now + DAY_MS });
    await live(["www"]);
    await poll();
    expect((await store.renewalInfos.get("www"))?.nextPollAt).toBeLessThanOrEqual(now + DAY_MS);
    answers.ca = () => ({ ...SUGGESTED, explanationUrl: "https://ca.example/note" });
    now += DAY_MS;
    await poll();
    const told = await store.events.list({ certificate: "www", types: ["renewalInfo.suggested"], limit: 9 });
    expect(told.map(({ detail }) => [detail.moved, detail.explanationUrl])).toEqual([
      [false, null],
      [false, "https://ca.example/note"],
    ]);
  });

  it("tells of an answer that makes no sense once, and keeps what was suggested before", async () => {
    await live(["www"]);
    await poll();
    const before = await store.renewalInfos.get("www");
    answers.ca = () => {
      throw new RenewalError("acme.renewalInfo", "a window that does not end after its start", {
        retryAt: now + 2 * HOUR_MS,
      });
    };
    for (let round = 0; round < 3; round++) {
      now += 25 * HOUR_MS;
      await poll();
    }
    expect(await events()).toEqual(["renewalInfo.suggested", "renewalInfo.ignored"]);
    expect(await store.renewalInfos.get("www")).toMatchObject({
      renewAt: before?.renewAt,
      failures: 3,
      errorCode: "acme.renewalInfo",
    });
  });

  it("backs off from a CA in trouble after one request, and other CAs are asked all the same", async () => {
    answers.broken = () => {
      throw new RenewalError("acme.server", "503");
    };
    await live(["a", "b", "c"], { issuer: "broken" });
    await live(["www"]);
    await poll();
    expect(asked.toSorted()).toEqual(["a", "www"]);
    expect((await store.renewalInfos.get("c"))?.nextPollAt).toBe(NOW + 60_000);
    const delays: number[] = [];
    for (let round = 0; round < 5; round++) {
      now = (await store.renewalInfos.get("c"))?.nextPollAt ?? 0;
      await poll();
      delays.push(((await store.renewalInfos.get("c"))?.nextPollAt ?? 0) - now);
    }
    expect(delays).toEqual([600_000, HOUR_MS, 6 * HOUR_MS, 6 * HOUR_MS, 6 * HOUR_MS]);
  });

  it("honours a Retry-After of the CA, up to a day", async () => {
    answers.ca = () => {
      throw new RenewalError("acme.rateLimited", "429", { retryAt: now + 7 * DAY_MS });
    };
    await live(["www"]);
    await poll();
    expect((await store.renewalInfos.get("www"))?.nextPollAt).toBe(NOW + DAY_MS);
  });
});

describe("the polls of a large fleet", () => {
  it("are enough in a day for a million certificates at the planner's own pace, once a minute", () => {
    const perTick = POLL_BATCHES * DEFAULT_SETTINGS.batch;
    expect(perTick).toBe(1_000);
    expect((perTick * DAY_MS) / 60_000).toBeGreaterThan(1_000_000);
  });

  it("are spread over rounds of one size, when it was issued at once and after days without a planner", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `cert-${String(index).padStart(2, "0")}`);
    await live(names);
    answers.ca = () => ({ ...SUGGESTED, pollAt: now + 6 * HOUR_MS });
    const roundsOf = async (): Promise<number[]> => {
      asked = [];
      const rounds: number[] = [];
      for (let tick = 0; tick < 4; tick++) {
        const before = asked.length;
        await poll(1);
        rounds.push(asked.length - before);
        now += 60_000;
      }
      expect(new Set(asked).size).toBe(names.length);
      return rounds;
    };
    expect(await roundsOf()).toEqual([5, 5, 2, 0]);
    now += 3 * DAY_MS;
    expect(await roundsOf(), "nothing is made up for").toEqual([5, 5, 2, 0]);
  });

  it("are made ten at a time", async () => {
    await live(Array.from({ length: 25 }, (_, index) => `cert-${index}`));
    const answering = Promise.withResolvers<RenewalInfo>();
    const begun = Promise.withResolvers<void>();
    answers.ca = () => {
      if (asked.length === 10) begun.resolve();
      return answering.promise;
    };
    const polled = poll();
    await begun.promise;
    expect(asked).toHaveLength(10);
    answering.resolve(SUGGESTED);
    await polled;
    expect(asked).toHaveLength(25);
  });
});

describe("a CA that moves the windows of 120 certificates into the past", () => {
  it("gets them all replaced, in bounded rounds, what expires first with the smallest priority number", {
    timeout: 180_000,
  }, async () => {
    const perRound = 50;
    const batch = perRound / POLL_BATCHES;
    const names = Array.from({ length: 120 }, (_, index) => `cert-${String(index).padStart(3, "0")}`);
    await live(names, { notAfter: NOW + 40 * DAY_MS });
    while (asked.length < names.length) await poll(batch);
    expect(await store.renewals.list({ limit: 1 })).toEqual([]);

    answers.ca = () => ({
      start: NOW - 3 * DAY_MS,
      end: NOW - 2 * DAY_MS,
      explanationUrl: "https://ca.example/drill",
      pollAt: now + 6 * HOUR_MS,
    });
    now += 7 * HOUR_MS;
    asked = [];
    const rounds: number[] = [];
    for (let tick = 0; tick < 4; tick++) {
      await planDue(context(batch), NO_SIGNAL);
      await poll(batch);
      rounds.push((await planDue(context(batch), NO_SIGNAL)).length);
      now += 60_000;
    }
    expect(rounds).toEqual([perRound, perRound, names.length - 2 * perRound, 0]);
    const renewals = await store.renewals.list({ limit: 1_000 });
    expect(renewals).toHaveLength(names.length);
    expect(new Set(renewals.map(({ reason }) => reason))).toEqual(new Set(["renewalInfo"]));
    expect(asked).toHaveLength(names.length);
    expect(jobs).toHaveLength(names.length);
    // The queue takes smaller numbers first: by runway, across all rounds but for the minutes between them.
    const order = jobs
      .toSorted((a, b) => a.priority - b.priority)
      .map(({ renewalId }) => renewals.find(({ id }) => id === renewalId)?.certificate);
    expect(order).toEqual(names);
  });
});
