// What kills every worker that takes it up is given up, and a person is told.
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { DAY_MS } from "../../support/model/facts.ts";
import { configured, createFleet, type Fleet } from "../../support/model/fleet.ts";

const NO_SIGNAL = new AbortController().signal;
const WWW = configured("1");
const { leaseMs, crashesMax, deployAttemptsMax } = DEFAULT_SETTINGS;
const PAUSE_MAX_MS = 90_000;

let fleet: Fleet;
let worker: Context;
beforeEach(async () => {
  fleet = await createFleet();
  worker = fleet.process(WWW);
  await configure(worker, NO_SIGNAL);
  await planDue(worker, NO_SIGNAL);
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** A worker claims it and is never heard of again. */
async function die(claim: () => Promise<unknown>): Promise<void> {
  expect(await claim()).not.toBeNull();
  // Its lease runs out, and what it waits for after deaths as well.
  fleet.now += leaseMs + PAUSE_MAX_MS;
  await sweep(worker, NO_SIGNAL);
}

it("a verification that kills its workers ends in quarantine", async () => {
  await fleet.work(worker, "verify");
  const { id } = (await fleet.store.renewals.active("www")) ?? expect.unreachable();
  for (let deaths = 1; deaths <= crashesMax; deaths++) {
    expect(await fleet.store.renewals.get(id)).toMatchObject({ state: "verifying" });
    await die(() => fleet.store.renewals.claim(id, fleet.now, leaseMs));
  }
  expect(await fleet.store.renewals.get(id)).toMatchObject({ state: "failed", errorCode: "internal.crashLoop" });
  expect(await fleet.store.certificates.get("www")).toMatchObject({
    pausedAt: fleet.now,
    lastErrorCode: "internal.crashLoop",
  });
});

it("workers that died before one that came to an outcome do not count", async () => {
  await fleet.work(worker, "verify");
  const { id } = (await fleet.store.renewals.active("www")) ?? expect.unreachable();
  for (let deaths = 1; deaths < crashesMax; deaths++)
    await die(() => fleet.store.renewals.claim(id, fleet.now, leaseMs));
  await fleet.work(worker);
  expect(await fleet.store.renewals.get(id)).toMatchObject({ state: "succeeded", openClaims: 0 });
});

it("a target that kills its workers behind a failing one is quarantined too, until the configuration changes", async () => {
  await fleet.work(worker, "deploy");
  fleet.failing.add("a");
  for (let deaths = 1; deaths <= crashesMax; deaths++)
    await die(() => fleet.store.deployments.claim("www", "b", fleet.now, leaseMs));
  for (let attempts = 1; attempts <= deployAttemptsMax; attempts++) {
    await fleet.work(worker);
    fleet.now += DAY_MS;
    await sweep(worker, NO_SIGNAL);
  }
  const [ended] = await fleet.store.renewals.list({ certificate: "www", limit: 1 });
  expect(ended).toMatchObject({ state: "failed", errorCode: "internal.crashLoop" });
  expect(await planDue(worker, NO_SIGNAL)).toEqual([]);

  fleet.failing.clear();
  const mended = fleet.process(configured("2"));
  await configure(mended, NO_SIGNAL);
  expect(await planDue(mended, NO_SIGNAL)).toHaveLength(1);
  await fleet.work(mended);
  expect(fleet.deployed).toEqual(["1 to a", "1 to b"]);
});
