// Putting a pair that exists in place again, by hand and because of drift: the real verbs over a real store.
import { describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import { redeploy } from "../../../src/renewal/operator/redeploy.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { judgeCertificates, troubled } from "../../../src/renewal/watch/faults.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { events, force, HOUR_MS, live, serving, staged } from "../../support/model/staged.ts";
import { NO_SIGNAL, type Workbench } from "../../support/model/workbench.ts";

const AT_ONCE = { waves: [], onWaveFailure: "fail" } as const;
const deploys = async (bench: Workbench): Promise<string[]> => (await events(bench, "deploy.succeeded")).toSorted();

/** Verifiers and planner do what is due, again and again, for this long. */
async function watch(bench: Workbench, durationMs: number): Promise<void> {
  for (const end = bench.now + durationMs; bench.now < end; ) {
    await bench.pass(600_000, 600_000);
    await observeDue(bench.context, NO_SIGNAL);
    // What was seen and what is done about it never happen in the same millisecond.
    bench.now += 1;
    await planDue(bench.context, NO_SIGNAL);
    await bench.work();
  }
}

describe("renewd deploy", () => {
  it("puts the pair into the target asked for, proves it, and issues nothing", async () => {
    await using bench = await live(AT_ONCE);
    bench.target("b").fingerprint = "a foreign pair";
    await redeploy(bench.context, { certificate: "www", targets: ["b"], generation: null, by: "ops" });
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", reason: "redeploy", generation: 1 });
    expect(await serving(bench)).toEqual([1, 1]);
    expect(await deploys(bench)).toEqual(["deploy.succeeded a", "deploy.succeeded b", "deploy.succeeded b"]);
    expect(await events(bench, "order.created")).toHaveLength(1);
  });
});

describe("an earlier pair that a person puts back", () => {
  const back = { certificate: "www", targets: [], generation: 1, by: "ops", why: "checkout fails" };
  const faults = async (bench: Workbench): Promise<readonly string[]> =>
    (await judgeCertificates(bench.context, await troubled(bench.context), NO_SIGNAL)).map(({ what }) => what);

  it("is no failure: nobody is called, and a new pair is tried a day later", async () => {
    await using bench = await live(AT_ONCE);
    await force(bench);
    bench.now += HOUR_MS;
    await redeploy(bench.context, back);
    expect(await faults(bench)).toEqual([]);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", reason: "rollback", generation: 3 });
    expect(await faults(bench)).toEqual([]);
    expect(await bench.store.certificates.get("www")).toMatchObject({
      failures: 0,
      nextAttemptAt: bench.now + 24 * HOUR_MS,
      lastErrorMessage: "checkout fails (by ops)",
    });
    const { problems } = await statusReport(bench.store, bench.certificates, bench.now);
    expect(problems).toEqual([]);
  });

  it("is one where it does not get there, said with what stopped it, until it does", async () => {
    await using bench = await live(AT_ONCE);
    await force(bench);
    bench.target("a").onDeploy = async () => {
      throw new RenewalError("deploy.refused", "it refuses");
    };
    await redeploy(bench.context, back);
    for (let step = 0; (await bench.renewal("www"))?.state !== "failed" && step < 20; step += 1) {
      bench.now += HOUR_MS;
      await bench.work();
    }
    expect(await faults(bench)).toEqual([expect.stringMatching(/^renewal failed: .*it refuses/)]);
    bench.target("a").onDeploy = async () => {};
    await watch(bench, 26 * HOUR_MS);
    expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", generation: 3 });
    expect(await faults(bench)).toEqual([]);
  });
});

describe("what endpoints serve between renewals", () => {
  it("is checked, and what somebody wrote over is put right with no order and only where it was", async () => {
    await using bench = await live(AT_ONCE);
    bench.target("b").fingerprint = "a foreign pair";
    await watch(bench, 2 * HOUR_MS);
    expect(await bench.renewal("www")).toMatchObject({
      ...{ state: "succeeded", reason: "drift", generation: 1, trigger: "planner" },
      reasonDetail: "not served at www.example.org@b:443",
    });
    expect(await deploys(bench)).toEqual(["deploy.succeeded a", "deploy.succeeded b", "deploy.succeeded b"]);
    expect(await events(bench, "order.created")).toHaveLength(1);
  });

  it("is put right while another target of the certificate is down", async () => {
    await using bench = await live(AT_ONCE);
    bench.target("a").onDeploy = async () => {
      throw new RenewalError("deploy.refused", "it refuses");
    };
    await force(bench);
    expect(await bench.renewal("www")).toMatchObject({
      state: "failed",
      errorMessage: expect.stringMatching(/^1 of 2 targets/),
    });
    expect(await serving(bench)).toEqual([1, 2]);
    bench.target("b").fingerprint = "a foreign pair";
    await watch(bench, 24 * HOUR_MS);
    expect(await serving(bench)).toEqual([1, 2]);
    bench.target("a").onDeploy = async () => {};
    await watch(bench, 24 * HOUR_MS);
    expect(await serving(bench)).toEqual([2, 2]);
  });

  it("leads to a target that was added later, which gets the pair that exists at once", async () => {
    await using bench = await live({ ...AT_ONCE, targets: ["a"], endpoints: staged().endpoints.slice(0, 1) });
    expect(await serving(bench)).toEqual([1, 0]);
    bench.certificates = [staged({ ...AT_ONCE, digest: "digest-2" })];
    await configure(bench.context, NO_SIGNAL);
    await planDue(bench.context, NO_SIGNAL);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", reason: "drift", generation: 1 });
    expect(await serving(bench)).toEqual([1, 1]);
    expect(await events(bench, "order.created")).toHaveLength(1);
  });
});
