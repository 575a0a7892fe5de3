// A database that goes away while a worker holds a claim: an outage is no death of the worker.
import { afterEach, beforeEach, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { OwedClaims } from "../../../src/renewal/owedClaims.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { configured, createFleet, type Fleet } from "../../support/model/fleet.ts";
import { type OutageStore, withOutages } from "../../support/model/outage.ts";
import { until } from "../../support/until.ts";

const NO_SIGNAL = new AbortController().signal;
const WWW = configured("1");
const { crashesMax, leaseMs } = DEFAULT_SETTINGS;

let fleet: Fleet;
let worker: Context;
let outage: OutageStore;
let owedClaims: OwedClaims;
beforeEach(async () => {
  fleet = await createFleet();
  outage = withOutages(fleet.store);
  owedClaims = new OwedClaims();
  worker = { ...fleet.process(WWW), store: outage.store, owedClaims };
  await configure(worker, NO_SIGNAL);
  await planDue(worker, NO_SIGNAL);
});
afterEach(() => fleet[Symbol.asyncDispose]());

const STEPS = {
  issue: (id: string) => issue(worker, id, NO_SIGNAL),
  deploy: (id: string) => deploy(worker, id, "a", NO_SIGNAL),
  verify: (id: string) => verify(worker, id, NO_SIGNAL),
} as const;

async function openClaims(id: string): Promise<number> {
  const renewal = await fleet.store.renewals.get(id);
  const deployment = await fleet.store.deployments.get("www", "a");
  return Math.max(renewal?.openClaims ?? 0, deployment?.openClaims ?? 0);
}

it.each(["issue", "deploy", "verify"] as const)("short outages during %s quarantine nothing", async (kind) => {
  await fleet.work(worker, kind);
  const { id } = (await fleet.store.renewals.active("www")) ?? expect.unreachable();
  let claimed = 0;
  // The database goes away after each of the first calls in turn: before, during and after the attempt.
  for (let calls = 1; claimed <= crashesMax; calls++) {
    outage.left = calls;
    const ended = await STEPS[kind](id).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    outage.left = null;
    if (ended === null) break;
    expect(ended).toMatchObject({ code: "store.unavailable" });
    claimed += await openClaims(id);
    await owedClaims.giveBack();
    expect(await openClaims(id)).toBe(0);
    fleet.now += leaseMs;
    await sweep(worker, NO_SIGNAL);
  }
  expect(claimed).toBeGreaterThanOrEqual(crashesMax);
  await fleet.work(worker);
  expect(await fleet.store.renewals.get(id)).toMatchObject({ state: "succeeded" });
});

it("a claim that is answered after its lease is not waited for, and is given back", async () => {
  const { id } = (await fleet.store.renewals.active("www")) ?? expect.unreachable();
  const answer = Promise.withResolvers<void>();
  const transaction: Store["transaction"] = async (work) => {
    const claimed = await fleet.store.transaction(work);
    await answer.promise;
    return claimed;
  };
  const slow = { ...worker, settings: { ...worker.settings, leaseMs: 20 } };
  const issued = issue({ ...slow, store: { ...fleet.store, transaction } }, id, NO_SIGNAL);
  await expect(issued).rejects.toThrowError(RenewalError);
  expect(await openClaims(id)).toBe(1);
  answer.resolve();
  await until("the claim is given back", async () => ((await openClaims(id)) === 0 ? true : null));
});
