// Waves, holds and the ways out of them: the real verbs over a real store, in a time that is ours.
import { describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { EventType } from "../../../src/domain/event.ts";
import { resumeRenewal } from "../../../src/renewal/operator/resume.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { renewalWindow } from "../../../src/renewal/rules/window.ts";
import { BY_HAND, events, force, HOUR_MS, held, live, serving, staged, wave } from "../../support/model/staged.ts";
import { NO_SIGNAL } from "../../support/model/workbench.ts";

describe("a new pair goes from wave to wave", () => {
  it("and the second wave gets nothing before the first was proved, baked and proved again", async () => {
    const bakeMs = 600_000;
    await using bench = await live({ waves: [wave("a", { bakeMs }), wave("b")] });
    const types: EventType[] = ["deploy.started", "deploy.succeeded", "verify.started", "verify.converged"];
    expect(await events(bench, ...types)).toEqual([
      ...["deploy.started a", "deploy.succeeded a", "verify.started", "verify.converged"],
      ...["verify.started", "verify.converged"],
      ...["deploy.started b", "deploy.succeeded b", "verify.started", "verify.converged"],
    ]);
    const deployed = await bench.store.events.list({ certificate: "www", types: ["deploy.succeeded"], limit: 10 });
    expect((deployed[1]?.at ?? 0) - (deployed[0]?.at ?? 0)).toBeGreaterThanOrEqual(bakeMs);
  });

  it("and within its failure budget past a target that refuses it, which gets it when it can", async () => {
    await using bench = await live({ waves: [wave("a", { failureBudget: 1 }), wave("b")] });
    const refusing = bench.target("a");
    refusing.onDeploy = async () => {
      throw new RenewalError("deploy.refused", "it refuses");
    };
    await force(bench);
    expect(await bench.renewal("www")).toMatchObject({
      ...{ state: "failed", generation: 2 },
      errorMessage: expect.stringMatching(/^1 of 2 targets deployed; target a: it refuses/),
    });
    expect(await serving(bench)).toEqual([1, 2]);
    refusing.onDeploy = async () => {};
    bench.now += HOUR_MS;
    await planDue(bench.context, NO_SIGNAL);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", reason: "drift", generation: 2 });
    expect(await serving(bench)).toEqual([2, 2]);
  });
});

describe("a canary that serves something else holds the renewal", () => {
  it("with the other target on the old pair, until it is fixed and resumed by name", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    expect(renewal.errorMessage).toMatch(/^wave 1 of 2: endpoint www\.example\.org@a:443/);
    bench.target("a").lying = false;
    await resumeRenewal(bench.context, BY_HAND);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ id: renewal.id, state: "succeeded" });
    expect(await serving(bench)).toEqual([2, 2]);
    expect(await events(bench, "order.created")).toHaveLength(2);
  });

  it("and again when it is resumed by its id before anything is fixed", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    await resumeRenewal(bench.context, { ...BY_HAND, of: renewal.id });
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ id: renewal.id, state: "held" });
    expect(await serving(bench)).toEqual([1, 1]);
    bench.target("a").lying = false;
    await resumeRenewal(bench.context, { ...BY_HAND, of: renewal.id });
    await bench.work();
    expect(await serving(bench)).toEqual([2, 2]);
  });

  it("until its configuration changes", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    bench.target("a").lying = false;
    bench.certificates = [staged({ digest: "digest-2", verifyTimeoutMs: 2_000 })];
    await configure(bench.context, NO_SIGNAL);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ id: renewal.id, state: "succeeded" });
    const [resumed] = await bench.store.events.list({ certificate: "www", types: ["renewal.resumed"], limit: 10 });
    expect(resumed?.detail).toEqual({ why: "the configuration changed" });
  });

  it("through a restart of everything and the loss of every job", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    bench.jobs.length = 0;
    await bench.pass(2 * HOUR_MS);
    expect(await bench.renewal("www")).toMatchObject({ id: renewal.id, state: "held" });
    expect(await serving(bench)).toEqual([1, 1]);
    bench.target("a").lying = false;
    await resumeRenewal(bench.context, BY_HAND);
    bench.jobs.length = 0;
    await bench.pass(HOUR_MS);
    expect(await serving(bench)).toEqual([2, 2]);
  });
});

describe("a hold ends by itself", () => {
  it("when the pair it keeps in use is revoked", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    await bench.store.versions.markRevoked("www", 1, bench.now);
    await bench.pass(2 * HOUR_MS);
    expect(await bench.store.renewals.get(renewal.id)).toMatchObject({
      state: "failed",
      errorMessage: expect.stringContaining("endpoint www.example.org@a:443"),
    });
    expect((await serving(bench))[1]).toBe(2);
  });

  it("when its own pair is revoked, which then goes nowhere else", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    await bench.store.versions.markRevoked("www", 2, bench.now);
    await bench.pass(HOUR_MS);
    expect(await bench.store.renewals.get(renewal.id)).toMatchObject({ state: "cancelled" });
    expect((await serving(bench))[1]).toBe(1);
    await planDue(bench.context, NO_SIGNAL);
    expect(await bench.renewal("www")).toMatchObject({ reason: "revoked", generation: 3 });
  });

  it("when the pair it keeps in use is about to expire: the renewal goes on past the failed wave", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    const kept = await bench.store.versions.get("www", 1);
    if (kept === null) throw new Error("generation 1 was not stored");
    const { emergencyAt } = renewalWindow(kept.leaf, { renewAtFractionLeft: null, jitterFraction: 0 });
    bench.now = emergencyAt - 2;
    await bench.pass(1, 1);
    expect(await bench.store.renewals.get(renewal.id)).toMatchObject({ state: "held" });
    await bench.pass(2 * HOUR_MS);
    expect(await bench.store.renewals.get(renewal.id)).toMatchObject({ state: "failed" });
    expect((await serving(bench))[1]).toBe(2);
    const [resumed] = await bench.store.events.list({ renewalId: renewal.id, types: ["renewal.resumed"], limit: 10 });
    expect(resumed?.detail).toEqual({ why: expect.stringContaining("about to expire") });
  });
});
