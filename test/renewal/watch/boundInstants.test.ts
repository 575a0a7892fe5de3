import { afterEach, beforeEach, expect, it } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { expiryWarningAt } from "../../../src/renewal/rules/window.ts";
import { boundInstants } from "../../../src/renewal/watch/boundInstants.ts";
import { type Issuing, startIssuing } from "../../support/ca/issuing.ts";
import { certificate, DAY_MS, NOW, version } from "../../support/model/facts.ts";

const SIGNAL = new AbortController().signal;
const FAR = NOW + 36_500 * DAY_MS;
const bare = certificate({ targets: [], endpoints: [] });
const solver = { challengeType: "http-01", present: async () => {}, cleanUp: async () => {} };

let issuing: Issuing;
beforeEach(async () => {
  issuing = await startIssuing(bare, {}, solver);
});
afterEach(() => issuing[Symbol.asyncDispose]());

const corrected = async () =>
  (await issuing.store.events.list({ types: ["certificate.instantCorrected"], limit: 9 })).map(
    ({ detail }) => detail.fields,
  );
const leaf = { ...version().leaf, notBefore: NOW - 10 * DAY_MS, notAfter: NOW + 80 * DAY_MS };

/** No renewal is in flight, and generation 1 is proved. */
async function live(): Promise<void> {
  const { store } = issuing;
  const active = await store.renewals.active("www");
  if (active !== null)
    await store.renewals.update(active.id, active.fence, { state: "succeeded", finishedAt: NOW, nextActionAt: null });
  await store.versions.insert(version({ leaf, createdAt: NOW }), new Secret("key"));
  await store.versions.markVerified("www", 1, NOW);
  await store.renewalInfos.watch("www", 1, NOW);
  await store.certificates.update("www", { nextCheckAt: NOW + DAY_MS, expiryWarningAt: expiryWarningAt(leaf) });
}

it("leaves what renewd itself puts off, and writes nothing about it", async () => {
  await live();
  expect(await boundInstants(issuing.context, SIGNAL)).toBe(0);
  expect(await corrected()).toEqual([]);
});

it.each([FAR, null])("a check that was put off to %s is due now, and the planner decides", async (nextCheckAt) => {
  await live();
  await issuing.store.certificates.update("www", { nextCheckAt, nextAttemptAt: FAR });
  expect(await boundInstants(issuing.context, SIGNAL)).toBe(1);
  expect(await corrected()).toEqual([["nextCheckAt", "nextAttemptAt"]]);
  await planDue(issuing.context, SIGNAL);
  const planned = await issuing.store.certificates.get("www");
  expect(planned?.nextCheckAt).toBeGreaterThan(NOW);
  expect(planned?.nextCheckAt).toBeLessThan(leaf.notAfter);
  expect(await boundInstants(issuing.context, SIGNAL)).toBe(0);
});

it.each([FAR, null])("an expiry warning that was put off to %s comes when it is due", async (at) => {
  await live();
  await issuing.store.certificates.update("www", { expiryWarningAt: at });
  expect(await boundInstants(issuing.context, SIGNAL)).toBe(1);
  expect(await issuing.store.certificates.get("www")).toMatchObject({ expiryWarningAt: expiryWarningAt(leaf) });
  expect(await corrected()).toEqual([["expiryWarningAt"]]);
});

it("a pause may be as long as a person wants", async () => {
  await live();
  await issuing.store.certificates.update("www", { nextCheckAt: FAR, pausedAt: NOW, pausedUntil: FAR });
  expect(await boundInstants(issuing.context, SIGNAL)).toBe(0);
});

it("a renewal that was put off beyond every back-off is swept now", async () => {
  const { store, context } = issuing;
  const active = (await store.renewals.active("www")) ?? expect.unreachable();
  await store.renewals.update(active.id, active.fence, { nextActionAt: FAR, retryAt: FAR });
  expect(await store.renewals.due(NOW, { limit: 9, leaseMs: 1_000, first: "urgent" })).toEqual([]);
  expect(await boundInstants(context, SIGNAL)).toBe(1);
  expect(await store.renewals.due(NOW, { limit: 9, leaseMs: 1_000, first: "urgent" })).toMatchObject([
    { id: active.id, retryAt: NOW },
  ]);
  expect(await corrected()).toEqual([["nextActionAt", "retryAt"]]);
});

it("an observation that was put off for years is due at once", async () => {
  await live();
  await issuing.store.certificates.update("www", { nextObservationAt: FAR });
  expect(await boundInstants(issuing.context, SIGNAL)).toBe(1);
  expect(await issuing.store.certificates.get("www")).toMatchObject({ nextObservationAt: null });
});

it("a configured certificate that nobody removed is planned although its row says removed", async () => {
  await live();
  const { store, context } = issuing;
  await store.certificates.update("www", { removedAt: NOW, nextCheckAt: null });
  expect(await boundInstants(context, SIGNAL)).toBe(1);
  expect(await corrected()).toEqual([["nextCheckAt", "removedAt"]]);
  expect(await store.certificates.due(NOW, 9)).toMatchObject([{ name: "www", removedAt: null }]);
});

it("a certificate that another planner has removed from the configuration stays removed", async () => {
  await live();
  const { store, context } = issuing;
  await store.certificates.update("www", { removedAt: NOW, nextCheckAt: null });
  const of = { certificate: "www", renewalId: null, target: null, detail: {} };
  await store.events.append({ ...of, at: NOW, type: "certificate.removed" });
  expect(await boundInstants(context, SIGNAL)).toBe(0);
  expect(await store.certificates.get("www")).toMatchObject({ removedAt: NOW, nextCheckAt: null });
});

it("a rehearsal that was put off for years is due at once", async () => {
  await live();
  const context = { ...issuing.context, settings: { ...issuing.context.settings, rehearseMs: 7 * DAY_MS } };
  await issuing.store.certificates.update("www", { nextRehearsalAt: NOW + 8 * DAY_MS });
  expect(await boundInstants(context, SIGNAL)).toBe(0);
  await issuing.store.certificates.update("www", { nextRehearsalAt: FAR });
  expect(await boundInstants(context, SIGNAL)).toBe(1);
  expect(await issuing.store.certificates.get("www")).toMatchObject({ nextRehearsalAt: null });
  expect(await corrected()).toEqual([["nextRehearsalAt"]]);
});

it.each([FAR, null])("a CA that was to be asked for its window at %s only is asked now", async (nextPollAt) => {
  await live();
  await issuing.store.renewalInfos.update("www", 1, { nextPollAt });
  expect(await issuing.store.renewalInfos.due(NOW, 9)).toEqual([]);
  expect(await boundInstants(issuing.context, SIGNAL)).toBe(1);
  expect(await issuing.store.renewalInfos.due(NOW, 9)).toMatchObject([{ certificate: "www", generation: 1 }]);
  expect(await corrected()).toEqual([["nextPollAt"]]);
});

it("a pair that is issued while a part of the fleet is read is nothing to correct", async () => {
  await live();
  const { store, context } = issuing;
  const later = { ...leaf, notBefore: NOW, notAfter: NOW + 900 * DAY_MS };
  const listLatest: typeof store.versions.listLatest = async (...asked) => {
    const read = await store.versions.listLatest(...asked);
    await store.versions.insert(version({ generation: 2, leaf: later, createdAt: NOW }), new Secret("key"));
    await store.renewalInfos.watch("www", 2, NOW);
    await store.certificates.update("www", { nextCheckAt: NOW + 300 * DAY_MS });
    return read;
  };
  const reading = { ...store, versions: { ...store.versions, listLatest } };
  expect(await boundInstants({ ...context, store: reading }, SIGNAL)).toBe(0);
  expect(await store.renewalInfos.get("www")).toMatchObject({ generation: 2 });
  expect(await corrected()).toEqual([]);
});

it("an inspection that was put off for years comes within two intervals, and nobody is told", async () => {
  await live();
  const { store, context } = issuing;
  const { observeMs } = context.settings;
  await store.deployments.want("www", ["lb"], 1);
  await store.deployments.update("www", "lb", 0, { deployedGeneration: 1, deployedAt: NOW, receipt: { file: "f" } });
  await store.deployments.claimInspections({ targets: ["lb"], now: NOW, nextAt: FAR, limit: 9 });
  expect(await boundInstants(context, SIGNAL)).toBe(0);
  expect(await store.deployments.inspectedAfter(["www"], NOW + 2 * observeMs)).toEqual([]);
  expect(await store.deployments.inspectedAfter(["www"], NOW + 2 * observeMs - 1)).toEqual(["www"]);
  expect(await corrected()).toEqual([]);
});

it("the version in use may be an older one, of which people are warned", async () => {
  await live();
  const { store, context } = issuing;
  const next = { ...leaf, notBefore: NOW, notAfter: NOW + 90 * DAY_MS };
  await store.versions.insert(
    version({ generation: 2, leaf: next, createdAt: NOW, verifiedAt: null }),
    new Secret("key"),
  );
  await store.renewalInfos.watch("www", 2, NOW);
  await store.certificates.update("www", { expiryWarningAt: FAR });
  expect(await boundInstants(context, SIGNAL)).toBe(1);
  expect(await store.certificates.get("www")).toMatchObject({ expiryWarningAt: expiryWarningAt(leaf) });
});

it("a certificate whose row is gone gets another, which is due now", async () => {
  await live();
  const { store, context } = issuing;
  const other = certificate({ name: "other", digest: "o" });
  const services = { ...context.services, certificates: () => [bare, other] };
  expect(await boundInstants({ ...context, services }, SIGNAL)).toBe(1);
  expect(await store.certificates.get("other")).toMatchObject({ digest: "o", nextCheckAt: NOW, pausedAt: null });
  expect(await corrected()).toEqual([["the row, which was gone"]]);
  expect(await boundInstants({ ...context, services }, SIGNAL)).toBe(0);
});

it("a digest that no process has is the one that the history has; a newer configuration's stays", async () => {
  await live();
  const { store, context } = issuing;
  const of = { certificate: "www", renewalId: null, target: null, at: NOW };
  const configured = (digest: string) =>
    store.events.append({ ...of, type: "certificate.configured", detail: { change: "changed", digest } });
  await configured(bare.digest);
  await store.certificates.update("www", { digest: "planted" });
  expect(await boundInstants(context, SIGNAL)).toBe(1);
  expect(await store.certificates.get("www")).toMatchObject({ digest: bare.digest });
  expect(await corrected()).toEqual([["digest"]]);
  await configured("newer");
  await store.certificates.update("www", { digest: "newer" });
  expect(await boundInstants(context, SIGNAL)).toBe(0);
  expect(await store.certificates.get("www")).toMatchObject({ digest: "newer" });
});
