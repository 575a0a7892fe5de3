// A writer of the database without the master key keeps no pair from where it belongs.
import { expect, it } from "vitest";
import { pause, resume } from "../../../src/renewal/operator/pause.ts";
import { redeploy } from "../../../src/renewal/operator/redeploy.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { nextGeneration } from "../../../src/renewal/rules/generation.ts";
import { boundInstants } from "../../../src/renewal/watch/boundInstants.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { deployment, record } from "../../support/model/facts.ts";
import { force, live, serving } from "../../support/model/staged.ts";
import { NO_SIGNAL, type Workbench } from "../../support/model/workbench.ts";

const PROBLEM = "has a row in the database that renewd did not write";

const BY_HAND = { certificate: "www", force: true, reason: null, requestedBy: null, id: null };

const drifted = async (bench: Workbench) =>
  (await bench.store.events.list({ types: ["target.drifted"], limit: 9 })).map(({ target, detail }) => [
    target,
    detail.problem,
  ]);

it.each(["deployed_generation", "wanted_generation"])("a new pair is deployed although %s says 99", async (column) => {
  await using bench = await live();
  bench.sql(`update deployments set ${column} = 99 where target = 'b'`);
  await force(bench);
  expect(await serving(bench)).toEqual([2, 2]);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", generation: 2 });
  expect(await drifted(bench)).toEqual([["b", PROBLEM]]);
});

it("a pair in flight reaches a target whose row was altered meanwhile", async () => {
  await using bench = await live();
  bench.certificates = bench.certificates.map((certificate) => ({ ...certificate, waves: [] }));
  await requestRenewal(bench.context, BY_HAND);
  await bench.work("deploy");
  bench.sql("update deployments set wanted_generation = 99, deployed_generation = 99");
  await bench.pass(60_000);
  expect(await serving(bench)).toEqual([2, 2]);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", generation: 2 });
});

it("status shows the row, and the target is deployed to again within an hour", async () => {
  await using bench = await live();
  bench.sql("update deployments set deployed_generation = 99 where target = 'a'");
  const { problems } = await statusReport(bench.store, bench.certificates, bench.now);
  expect(problems[0]?.problems.map(({ kind, what }) => [kind, what])).toContainEqual([
    "drifted",
    `target a ${PROBLEM}`,
  ]);
  expect(await boundInstants(bench.context, NO_SIGNAL)).toBe(1);
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ reason: "drift", state: "succeeded", generation: 1 });
  expect((await statusReport(bench.store, bench.certificates, bench.now)).problems).toEqual([]);
});

it("`renewd deploy` begins again from nothing", async () => {
  await using bench = await live();
  bench.sql("update deployments set deployed_generation = 99, fence = 7 where target = 'a'");
  const asked = { certificate: "www", targets: ["a"], generation: null, by: "ops" };
  await redeploy(bench.context, asked);
  await bench.work();
  expect(await bench.store.deployments.get("www", "a")).toMatchObject({ deployedGeneration: 1, wantedGeneration: 1 });
  expect(await drifted(bench)).toEqual([["a", PROBLEM]]);
});

it("an endpoint is not proved by a row that renewd did not write", async () => {
  await using bench = await live();
  bench.target("a").lying = true;
  bench.certificates = bench.certificates.map((certificate) => ({ ...certificate, waves: [] }));
  await requestRenewal(bench.context, BY_HAND);
  await bench.work("verify");
  bench.sql("update endpoint_statuses set generation = 2, proved = 1, round_ended_at = 9999999999999");
  await bench.pass(60_000);
  expect((await bench.store.versions.latest("www"))?.verifiedAt).toBeNull();
  expect((await bench.renewal("www")).state).not.toBe("succeeded");
});

it("the number of a pair whose row is gone is not used again: its targets would count as holding the new one", async () => {
  const held = deployment({ wantedGeneration: 6, deployedGeneration: 6 });
  expect(nextGeneration({ generation: 5 }, record(), [held])).toBe(7);
  await using bench = await live();
  await force(bench);
  bench.now += 1_000;
  bench.sql("delete from versions where generation = 2");
  await force(bench);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", generation: 3 });
});

it.each(["'planted'", "1e300", "9223372036854775807"])("a check at %s is due within the hour", async (value) => {
  await using bench = await live();
  bench.sql(`update certificates set next_check_at = ${value}`);
  await boundInstants(bench.context, NO_SIGNAL);
  expect(await bench.store.certificates.due(bench.now, 9)).toMatchObject([{ name: "www", nextCheckAt: bench.now }]);
});

it.each(["fence", "lease_until", "attempts"])(
  "a %s beyond counting keeps no work from being claimed",
  async (column) => {
    await using bench = await live();
    await requestRenewal(bench.context, BY_HAND);
    bench.sql(
      `update renewals set ${column} = 9223372036854775807; update deployments set ${column} = 9223372036854775807`,
    );
    bench.now += 3_600_000;
    await boundInstants(bench.context, NO_SIGNAL);
    const [event] = await bench.store.events.list({ types: ["certificate.instantCorrected"], limit: 1 });
    expect(event).toMatchObject({
      certificate: null,
      detail: { fields: [`renewals.${column}`, `deployments.${column}`] },
    });
    await bench.pass(60_000);
    expect(await serving(bench)).toEqual([2, 2]);
  },
);

it("a floor that no restore set does not end the counting of generations", () => {
  expect(nextGeneration({ generation: 5 }, record({ generationFloor: 2 ** 53 - 1 }), [])).toBe(6);
  expect(nextGeneration({ generation: 5 }, record({ generationFloor: 500_000 }), [])).toBe(500_001);
});

it("a target that was put right is inspected as soon as its renewal ends, not a minute later", async () => {
  await using bench = await live();
  const { deployments } = bench.store;
  const inspections = () =>
    deployments.claimInspections({ targets: ["a"], now: bench.now, nextAt: bench.now + 600_000, limit: 9 });
  await inspections();
  await deployments.forget("www", "a");
  await bench.store.certificates.update("www", { nextCheckAt: bench.now });
  await planDue(bench.context, NO_SIGNAL);
  await bench.work("verify");
  expect(await inspections(), "during the renewal").toHaveLength(1);
  expect(await inspections()).toEqual([]);
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ reason: "drift", state: "succeeded" });
  expect(await inspections()).toHaveLength(1);
});

it("a pause that a person has ended, put back with its seal, is ended again within the hour", async () => {
  await using bench = await live();
  await pause(bench.store, { certificate: "www", reason: "moving", until: null }, bench.now);
  bench.sql("create table kept as select * from certificates");
  await resume(bench.store, "www", bench.now);
  // A failure that paused nothing is not a quarantine.
  const failed = { at: bench.now, type: "renewal.failed", certificate: "www", renewalId: "r", target: null } as const;
  await bench.store.events.append({ ...failed, detail: { code: "acme.unreachable" } });
  bench.sql("delete from certificates; insert into certificates select * from kept; drop table kept");
  expect(await bench.store.certificates.get("www")).toMatchObject({ pausedReason: "moving" });
  expect(await boundInstants(bench.context, NO_SIGNAL)).toBe(1);
  expect(await bench.store.certificates.get("www")).toMatchObject({ pausedAt: null, nextCheckAt: bench.now });
  // A pause that holds stays, whatever events somebody else wrote.
  await pause(bench.store, { certificate: "www", reason: "moving", until: null }, bench.now);
  bench.sql(`insert into events (seq, at, type, certificate, worker, detail)
    select max(seq) + 1, max(at), 'certificate.resumed', 'www', 'w', '{}' from events`);
  expect(await boundInstants(bench.context, NO_SIGNAL)).toBe(0);
  expect(await bench.store.certificates.get("www")).toMatchObject({ pausedReason: "moving" });
});
