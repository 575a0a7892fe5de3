import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createIssuer } from "../../../src/acme/issuer.ts";
import type { Issuer } from "../../../src/domain/issuer.ts";
import { type CaFixture, issuerOptions, startCa } from "../../acme/caFixture.ts";
import type { ProxyAnswer } from "../../support/ca/acmeProxy.ts";
import { type Issuing, startIssuing } from "../../support/ca/issuing.ts";
import { certificate } from "../../support/model/facts.ts";

const DOWN: ProxyAnswer = { status: 503, headers: {}, body: "" };

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
  ca.challenges.stored.clear();
});

/**
 * One attempt was made, and the CA could not be asked how its validation went: its answer is left for the CA to read.
 */
async function interrupted(fallbacks: readonly string[]): Promise<Issuing> {
  const other: Issuer = {
    issue: async () => expect.unreachable(),
    eligibility: async () => ({ obstacle: null, notes: [] }),
  };
  const issuers: Record<string, Issuer> = { other };
  const started = await startIssuing(certificate({ fallbacks }), issuers, ca.solver);
  issuers.ca = createIssuer(issuerOptions(ca.proxy), { accounts: ca.accounts, now: () => started.time.now });
  ca.proxy.intercept = async ({ path, payload }) => (path.startsWith("/chalZ/") && payload === null ? DOWN : null);
  expect(await started.attempt()).toMatchObject({ errorCode: "acme.server", attempts: 1 });
  expect(ca.challenges.stored.size).toBe(1);
  return started;
}

/** Attempts until the present order is given up; the CA answers the first question of each with 503, or all of them. */
async function giveUp({ store, attempt, time }: Issuing, failing: "first" | "all"): Promise<void> {
  for (let gone = false; !gone; ) {
    const renewal = (await store.renewals.list({ limit: 1 }))[0] ?? expect.unreachable();
    time.now = renewal.retryAt ?? expect.unreachable();
    let asked = 0;
    ca.proxy.intercept = async ({ path }) =>
      path.startsWith("/my-order/") && (failing === "all" || asked++ === 0) ? DOWN : null;
    const { issuer, state } = await attempt();
    gone = issuer !== null || state === "failed";
  }
}

describe("an order that is given up", () => {
  it.each([
    ["for another issuer", ["other"], { issuer: "other" }],
    ["for good", [], { state: "failed", attempts: 5 }],
  ])("%s has the answers taken down that were left for its CA", async (_case, fallbacks, outcome) => {
    await using started = await interrupted(fallbacks);
    await giveUp(started, "first");
    expect((await started.store.renewals.list({ limit: 1 }))[0]).toMatchObject(outcome);
    expect(ca.challenges.stored.size).toBe(0);
  });

  it("is given up all the same when its CA tells nothing any more", async () => {
    await using started = await interrupted(["other"]);
    await giveUp(started, "all");
    expect((await started.store.renewals.list({ limit: 1 }))[0]).toMatchObject({
      issuer: "other",
      errorCode: "acme.server",
    });
  });
});
