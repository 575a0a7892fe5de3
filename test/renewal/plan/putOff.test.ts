import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createIssuer } from "../../../src/acme/issuer.ts";
import type { Issuer } from "../../../src/domain/issuer.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import { type CaFixture, issuerOptions, startCa } from "../../acme/caFixture.ts";
import { type Issuing, startIssuing } from "../../support/ca/issuing.ts";
import { certificate, NOW } from "../../support/model/facts.ts";

const MINUTE_MS = 60_000;

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

function answerOrders(status: number, type: string, retryAfterSeconds: number | null): void {
  const headers = {
    "content-type": "application/problem+json",
    ...(retryAfterSeconds !== null && { "retry-after": String(retryAfterSeconds) }),
  };
  const body = JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail: "not now" });
  ca.proxy.intercept = async ({ resource }) => (resource === "newOrder" ? { status, headers, body } : null);
}

async function issuing(fallbacks: readonly string[] = []): Promise<Issuing> {
  const other: Issuer = {
    issue: async () => expect.unreachable(),
    eligibility: async () => ({ obstacle: null, notes: [] }),
  };
  const issuers: Record<string, Issuer> = { other };
  const started = await startIssuing(certificate({ fallbacks }), issuers, ca.solver);
  issuers.ca = createIssuer(issuerOptions(ca.proxy), { accounts: ca.accounts, now: () => started.time.now });
  return started;
}

/** Attempts, each when the one before said, until `done` or a hundred of them. */
async function attempts({ attempt, time }: Issuing, done: (renewal: Renewal) => boolean): Promise<Renewal> {
  for (let count = 1; ; count++) {
    const renewal = await attempt();
    if (done(renewal) || count === 100) return renewal;
    time.now = renewal.retryAt ?? expect.unreachable("it has ended");
  }
}

describe("a CA that puts a renewal off", () => {
  it("in maintenance for half an hour again and again ends it, and people are told", async () => {
    answerOrders(503, "serverInternal", 1800);
    await using started = await issuing();
    const first = await started.attempt();
    expect(first).toMatchObject({
      state: "issuing",
      errorCode: "acme.server",
      attempts: 1,
      retryAt: NOW + 30 * MINUTE_MS,
      leaseUntil: null,
    });
    started.time.now = first.retryAt ?? 0;
    expect(await attempts(started, ({ state }) => state === "failed")).toMatchObject({ state: "failed", attempts: 5 });
    expect((await started.events("renewal.failed"))[0]?.detail).toMatchObject({
      code: "acme.server",
      message: expect.stringContaining("not now"),
    });
  });

  it("in maintenance is passed over after two attempts, also where it calls that a limit", async () => {
    answerOrders(503, "rateLimited", 1800);
    await using started = await issuing(["other"]);
    expect(await attempts(started, ({ issuer }) => issuer !== null)).toMatchObject({ issuer: "other", attempts: 0 });
    expect(started.time.now).toBe(NOW + 30 * MINUTE_MS);
  });

  it("in maintenance for a day is passed over at once", async () => {
    answerOrders(503, "serverInternal", 86_400);
    await using started = await issuing(["other"]);
    expect(await started.attempt()).toMatchObject({ issuer: "other" });
  });

  it("with 429 and no word until when is not asked for ever", async () => {
    answerOrders(429, "rateLimited", null);
    await using started = await issuing();
    expect(await attempts(started, ({ state }) => state === "failed")).toMatchObject({
      state: "failed",
      errorCode: "acme.rateLimited",
      attempts: 5,
    });
  });

  it("with 429 and Retry-After: 1 for ever is asked a few times, ever more slowly, and people are told", async () => {
    answerOrders(429, "rateLimited", 1);
    await using started = await issuing();
    const before = ca.proxy.count("newOrder");
    const last = await attempts(started, ({ state }) => state === "failed");
    expect(last).toMatchObject({ state: "failed", errorCode: "acme.rateLimited", attempts: 5 });
    // Pebble refuses some nonces, so a request may come again.
    expect(ca.proxy.count("newOrder") - before).toBeLessThan(10);
    expect(started.time.now - NOW).toBeGreaterThan(60 * MINUTE_MS);
    const [told] = await started.events("renewal.failed");
    expect(told?.detail.message).toContain("not now");
  });

  it("with 429 and Retry-After: 1 again and again is passed over", async () => {
    answerOrders(429, "rateLimited", 1);
    await using started = await issuing(["other"]);
    expect(await attempts(started, ({ issuer }) => issuer !== null)).toMatchObject({ issuer: "other" });
    expect(started.time.now).toBe(NOW + MINUTE_MS);
  });

  it("with 429 until a given instant is waited for, which is no failure however often", async () => {
    answerOrders(429, "rateLimited", 1800);
    await using started = await issuing();
    await attempts(started, () => started.time.now >= NOW + 600 * MINUTE_MS);
    expect(await started.attempt()).toMatchObject({ state: "issuing", attempts: 0 });
  });

  it("with 429 again and again is passed over once that has come to more than an hour", async () => {
    answerOrders(429, "rateLimited", 1500);
    await using started = await issuing(["other"]);
    expect(await attempts(started, ({ issuer }) => issuer !== null)).toMatchObject({ issuer: "other", attempts: 0 });
    expect(started.time.now).toBe(NOW + 50 * MINUTE_MS);
    expect((await started.events("issue.fallback"))[0]?.detail.why).toBe(
      "it has to be waited for again, 1 h 15 min altogether",
    );
  });
});
