// Going back to an earlier pair, by hand and by policy: the real verbs over a real store.
import { describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import { redeploy } from "../../../src/renewal/operator/redeploy.ts";
import { rollBackRenewal } from "../../../src/renewal/operator/rollBack.ts";
import { loadPlanFacts, planDue } from "../../../src/renewal/plan/plan.ts";
import { decide } from "../../../src/renewal/rules/decide.ts";
import { BY_HAND, events, force, HOUR_MS, held, live, serving, staged } from "../../support/model/staged.ts";
import { NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const DAY_MS = 24 * HOUR_MS;
const request = { certificate: "www", targets: [], by: "ops" };

describe("a person's roll back", () => {
  it("of a held renewal puts the previous pair in place as the next generation, and orders nothing", async () => {
    const { bench, renewal } = await held();
    await using _ = bench;
    bench.target("a").lying = false;
    await rollBackRenewal(bench.context, { ...BY_HAND, why: "checkout fails" });
    await bench.work();
    expect(await bench.store.renewals.get(renewal.id)).toMatchObject({ state: "rolledBack" });
    expect(await bench.renewal("www")).toMatchObject({
      ...{ state: "succeeded", reason: "rollback", generation: 3 },
      reasonDetail: "generation 1 again: checkout fails (by ops)",
    });
    const versions = await bench.store.versions.list("www");
    expect(versions.map(({ generation }) => generation)).toEqual([1, 2, 3]);
    expect(versions[2]?.leaf).toEqual(versions[0]?.leaf);
    expect(await events(bench, "order.created")).toHaveLength(2);
  });

  it("of a renewal that succeeded takes it back, but not twice: a rejected pair returns only when it is named", async () => {
    await using bench = await live();
    await force(bench);
    const good = await bench.renewal("www");
    await rollBackRenewal(bench.context, { ...BY_HAND, of: good.id });
    await bench.work();
    expect(await serving(bench)).toEqual([1, 1]);
    await expect(rollBackRenewal(bench.context, BY_HAND)).rejects.toThrow("no earlier pair");
    await redeploy(bench.context, { ...request, generation: 2 });
    await bench.work();
    expect(await serving(bench)).toEqual([2, 2]);
    expect(await bench.store.renewals.get(good.id)).toMatchObject({ state: "succeeded" });
  });

  it("is not undone by the planner at once, but a new pair is tried a day later", async () => {
    const { bench } = await held();
    await using _ = bench;
    bench.target("a").lying = false;
    const [certificate] = bench.certificates;
    const version = await bench.store.versions.get("www", 1);
    if (certificate === undefined || version === null) throw new Error("the world is not as it should be");
    // Its window is open: without the roll back it would be renewed now.
    bench.now = version.leaf.notBefore + 65 * DAY_MS;
    const rolledBackAt = bench.now;
    await rollBackRenewal(bench.context, BY_HAND);
    await bench.work();
    const record = await bench.store.certificates.get("www");
    if (record === null) throw new Error("there is no record");
    expect((record.nextAttemptAt ?? 0) - rolledBackAt).toBeGreaterThanOrEqual(DAY_MS);
    const facts = await loadPlanFacts(bench.context, certificate, record);
    expect(decide(facts, bench.now)).toMatchObject({ due: false, blockedBy: "backedOff", reason: "renewalWindow" });
    bench.now = record.nextAttemptAt ?? bench.now;
    await planDue(bench.context, NO_SIGNAL);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", reason: "renewalWindow", generation: 4 });
    expect(await bench.store.certificates.get("www")).toMatchObject({ failures: 0, lastErrorCode: null });
  });

  it("is refused with what to do where it makes no sense", async () => {
    await using bench = await live();
    const { id } = await bench.renewal("www");
    const refused = (work: Promise<unknown>) => expect(work).rejects;
    await refused(rollBackRenewal(bench.context, { ...BY_HAND, of: "asekd" })).toThrow("neither a configured");
    await refused(rollBackRenewal(bench.context, BY_HAND)).toThrow("no earlier pair that was proved live");
    await refused(redeploy(bench.context, { ...request, generation: 7 })).toThrow(
      "has no generation 7; the latest is 1",
    );
    await refused(redeploy(bench.context, { ...request, targets: ["c"], generation: null })).toThrow("a, b");
    await force(bench);
    await refused(redeploy(bench.context, { ...request, targets: ["b"], generation: 1 })).toThrow(
      "every target at once",
    );
    await force(bench);
    await refused(rollBackRenewal(bench.context, { ...BY_HAND, of: id })).toThrow(
      "generation 1 has been replaced since",
    );
    bench.target("a").lying = true;
    await force(bench);
    const held = await bench.renewal("www");
    await refused(redeploy(bench.context, { ...request, generation: null })).toThrow(`renewd resume ${held.id}`);
  });
});

describe("onWaveFailure: rollBack", () => {
  it("puts the previous pair in place by itself when a canary fails", async () => {
    await using bench = await live({ onWaveFailure: "rollBack" });
    bench.target("a").lying = true;
    await force(bench);
    await bench.pass(HOUR_MS);
    const [bad] = await bench.store.renewals.list({ certificate: "www", states: ["rolledBack"], limit: 1 });
    expect(bad).toMatchObject({ generation: 2 });
    expect(await bench.renewal("www")).toMatchObject({
      ...{ state: "succeeded", reason: "rollback", generation: 3, trigger: "planner" },
      reasonDetail: expect.stringMatching(/^generation 1 again: wave 1 of 2: endpoint www\.example\.org@a/),
    });
    expect(await serving(bench)).toEqual([1, 1]);
    expect(await events(bench, "order.created")).toHaveLength(2);
  });

  it("holds when there is no earlier pair, and says so", async () => {
    await using bench = await Workbench.open([staged({ onWaveFailure: "rollBack" })]);
    bench.target("a").onDeploy = async () => {
      throw new RenewalError("deploy.refused", "it refuses");
    };
    await bench.begin();
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({
      state: "held",
      errorMessage: expect.stringMatching(
        /^wave 1 of 2: target a: it refuses; there is no earlier pair .* still valid$/,
      ),
    });
    expect(bench.target("b").fingerprint).toBeNull();
  });
});
