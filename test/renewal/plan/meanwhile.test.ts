// What changes while a renewal or the planner is at work on something older is not forgotten.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Identifier } from "../../../src/domain/identifier.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { redeploy } from "../../../src/renewal/operator/redeploy.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { draftReplacement, startReplacement } from "../../../src/renewal/plan/replacement.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { DAY_MS } from "../../support/model/facts.ts";
import { configured, createFleet, type Fleet } from "../../support/model/fleet.ts";

const NO_SIGNAL = new AbortController().signal;
const WWW = configured("1");
const NAMES: Identifier[] = [...WWW.identifiers, { type: "dns", value: "more.example.org" }];
const WITH_MORE_NAMES = configured("2", { identifiers: NAMES });

let fleet: Fleet;
let before: Context;
let after: Context;
beforeEach(async () => {
  fleet = await createFleet();
  [before, after] = [fleet.process(WWW), fleet.process(WITH_MORE_NAMES)];
  await configure(before, NO_SIGNAL);
});
afterEach(() => fleet[Symbol.asyncDispose]());

async function plan(planner: Context): Promise<Renewal | undefined> {
  return (await planDue(planner, NO_SIGNAL))[0];
}

describe("while a planner decides by what it has read", () => {
  beforeEach(async () => {
    await plan(before);
    await fleet.work(before);
  });

  it("a whole renewal by another makes it plan nothing for the generation before", async () => {
    // To the slow one the pair seems to be missing at its targets.
    for (const target of WWW.targets) await fleet.store.deployments.forget("www", target);
    const standing = slow(async () => {
      await requestRenewal(before, { certificate: "www", force: true, reason: null, requestedBy: null });
      await fleet.work(before);
    });
    expect(await plan(standing)).toBeUndefined();
    expect(await fleet.store.renewals.active("www")).toBeNull();
    expect(await fleet.store.deployments.get("www", "a")).toMatchObject({ wantedGeneration: 2, deployedGeneration: 2 });
    expect(await plan(before)).toBeUndefined();
  });

  /** A planner that stands still after it has read what the endpoints serve, while `happens`. */
  function slow(happens: () => Promise<unknown>): Context {
    const { store } = fleet;
    const planningFacts: typeof store.renewals.planningFacts = async (name) => {
      const found = await store.renewals.planningFacts(name);
      await happens();
      return found;
    };
    return { ...before, store: { ...store, renewals: { ...store.renewals, planningFacts } } };
  }

  it.each<[string, () => Promise<unknown>]>([
    ["a change of the configuration", () => configure(after, NO_SIGNAL)],
    ["a look that found something", async () => fleet.store.certificates.update("www", { nextCheckAt: ++fleet.now })],
  ])("%s is looked at next all the same", async (_what, happens) => {
    expect(await plan(slow(happens))).toBeUndefined();
    expect((await fleet.store.certificates.get("www"))?.nextCheckAt).toBe(fleet.now);
  });
});

it("while a deployer is at work, its target moves: the new place gets the pair as well", async () => {
  const here = fleet.process(configured("1", { targetDigests: { a: "here", b: "same" } }));
  const moved = fleet.process(configured("2", { targetDigests: { a: "there", b: "same" } }));
  await plan(here);
  await fleet.work(here);
  await redeploy(here, { certificate: "www", targets: ["a"], generation: null, by: null });
  fleet.onDeploy = () => configure(moved, NO_SIGNAL);
  fleet.deployed.length = 0;
  await fleet.work(here);
  fleet.onDeploy = async () => {};
  for (let turn = 0; turn < 3; turn++) {
    fleet.now += 10_000;
    await plan(moved);
    await sweep(moved, NO_SIGNAL);
    await fleet.work(moved);
  }
  expect(fleet.deployed.filter((each) => each === "1 to a")).toHaveLength(2);
  expect(fleet.deployed).not.toContain("1 to b");
  expect(await fleet.store.renewals.active("www")).toBeNull();
});

describe("while a renewal is verified", () => {
  beforeEach(async () => {
    await plan(before);
    await fleet.work(before, "verify");
  });

  it("names that are added are issued as soon as it has succeeded", async () => {
    await configure(after, NO_SIGNAL);
    await fleet.work(after);
    expect(await plan(after)).toMatchObject({ reason: "identifiersChanged", generation: 2 });
    await fleet.work(after);
    expect((await fleet.store.versions.latest("www"))?.leaf.identifiers).toEqual(NAMES);
  });

  it("a replacement that begins is worked off as soon as it has succeeded", async () => {
    const request = {
      selection: { issuer: "ca" },
      described: "issuer ca",
      issuer: null,
      deadline: fleet.now + DAY_MS,
      waves: [],
    };
    await startReplacement(before, request, await draftReplacement(before, request));
    await fleet.work(before);
    expect(await plan(before)).toMatchObject({ reason: "requested", generation: 2 });
  });

  it("nothing else makes work: the planner looks once more and then when it is due", async () => {
    await fleet.work(before);
    expect(await plan(before)).toBeUndefined();
    const notBefore = fleet.now + 50 * DAY_MS;
    expect((await fleet.store.certificates.get("www"))?.nextCheckAt).toBeGreaterThan(notBefore);
  });
});
