import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { STEADY_MS } from "../../src/domain/steady.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { requestRenewal } from "../../src/renewal/plan/request.ts";
import { proofAgeMaxMs } from "../../src/renewal/rules/proofAge.ts";
import type { StatusReport } from "../../src/reports/status.ts";
import { modelCertificate, NO_SIGNAL } from "../support/model/workbench.ts";
import { CheckedFleet, fleetStatusTests, SIZE, withoutChecked } from "./fleetStatusTests.ts";

// Long sequences: fleetStatus.full.test.ts.
fleetStatusTests({ on: "SQLite", runs: 1, steps: 8 });

let fleet: CheckedFleet;

/** How many certificates were read, and the report, which is that of a full reading. */
async function shown(): Promise<{ readonly read: number; readonly report: StatusReport }> {
  fleet.counts.unread = 0;
  const [report, whole] = await fleet.both();
  expect(withoutChecked(report)).toEqual(withoutChecked(whole));
  return { read: SIZE - fleet.counts.unread, report };
}

describe("status of a large fleet that is well", () => {
  beforeAll(async () => {
    fleet = await CheckedFleet.open(1);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());
  beforeEach(async () => {
    await fleet.work();
    await fleet.look();
    await fleet.beat();
    fleet.bench.sql("delete from steady_parts");
    await fleet.check();
  });

  test("reads only those with the oldest proofs, and says since when all rows are checked", async () => {
    const checkedAt = fleet.bench.now;
    fleet.bench.now += 60_000;
    await fleet.beat();
    const { read, report } = await shown();
    expect(read).toBe(3);
    expect(report.needsPerson).toBe(false);
    expect(report.summary).toMatchObject({ certificates: SIZE, provedLive: 6, notProved: 3, plannerSaw: SIZE });
    expect(report.summary.checkedSince).toBe(new Date(checkedAt).toISOString());
  });

  test("reads every row again without a planner that checks", async () => {
    fleet.bench.now += STEADY_MS;
    const { read, report } = await shown();
    expect(read).toBe(SIZE);
    expect(report.needsPerson).toBe(true);
    expect(report.summary.checkedSince).toBe(report.at);
  });

  test("sees a proof become too old while its part is believed", async () => {
    const { bench } = fleet;
    bench.now += proofAgeMaxMs(bench.context.settings.observeMs) + 1;
    const { report } = await shown();
    expect(report.summary).toMatchObject({ provedLive: 0, unknown: 6, notProved: 3 });
  });

  test.each([
    [
      "a part whose sum somebody altered",
      "update steady_parts set body = replace(body, '\"provedLive\":2', '\"provedLive\":3') where after = ''",
      3 + 3,
    ],
    ["a part whose list somebody altered", "update steady_parts set members = '{}' where after = ''", 3 + 1],
    ["a part of other names", "update steady_parts set last = null", SIZE],
    ["a part that is gone", "delete from steady_parts", SIZE],
  ])("reads %s itself", async (_, sql, read) => {
    fleet.bench.sql(sql);
    expect((await shown()).read).toBe(read);
  });

  test("reads all of what a planner of another release has checked or would check", async () => {
    fleet.bench.sql("delete from steady_parts");
    fleet.release = "1.0.1";
    expect(await fleet.check()).toBe(0);
    fleet.release = "1.0.0";
    expect((await shown()).read).toBe(SIZE);
  });

  test("is read whole by a planner that starts, and then some parts at a time", async () => {
    const { bench } = fleet;
    bench.sql("delete from steady_parts");
    // The last one is of names that may come behind the last.
    expect(await fleet.checkInTurn()).toBe(4);
    expect(await fleet.checkInTurn()).toBe(0);
    bench.now += STEADY_MS / 2;
    expect(await fleet.checkInTurn()).toBe(1);
  });

  test("reads none of it while the clock is wrong", async () => {
    const { bench } = fleet;
    bench.sql("delete from steady_parts");
    bench.skewed = true;
    await expect(fleet.check()).rejects.toMatchObject({ code: "clock.skewed" });
    bench.skewed = false;
    expect((await shown()).read).toBe(SIZE);
  });

  test("shows as not loaded what a planner of another file has taken away", async () => {
    const { bench } = fleet;
    bench.sql("update certificates set removed_at = 1 where name = 'c2'");
    await shown();
    bench.sql("update certificates set removed_at = null");
  });

  test("reads one that came while its part was read, before anybody shows it", async () => {
    const { bench } = fleet;
    const configured = bench.certificates;
    bench.certificates = [...configured, { ...modelCertificate("c01"), targets: [] }];
    await configure(bench.context, NO_SIGNAL);
    bench.certificates = configured;
    await fleet.check();
    bench.certificates = [...configured, { ...modelCertificate("c01"), targets: [] }];
    await fleet.apply();
    const { report } = await shown();
    expect(report.summary).toMatchObject({ certificates: SIZE + 1 });
    bench.certificates = configured;
    await fleet.apply();
  });

  test("reads one that was renewed since, of which no row says so any more", async () => {
    const { bench } = fleet;
    // The one with the soonest end, and as long as it is believed that is shown.
    const { report: before } = await shown();
    const certificate = before.summary.nextExpiry?.certificate ?? "";
    bench.now += 60_000;
    await requestRenewal(bench.context, { certificate, force: true, reason: null, requestedBy: "test" });
    await bench.work();
    await fleet.beat();
    const { report } = await shown();
    expect(report.summary).toMatchObject({
      renewing: 0,
      nextExpiry: { certificate: expect.not.stringMatching(certificate) },
    });
  });

  // The last one: the history stays as it is then.
  test("believes nothing behind a history of which a part is gone", async () => {
    const { bench } = fleet;
    bench.sql("update history_head set pruned_to = last + 1");
    expect((await shown()).read).toBe(SIZE);
    bench.sql("drop trigger events_no_delete; delete from events where seq > 3; delete from history_head");
    expect((await shown()).read).toBe(SIZE);
  });
});

describe("status of a large fleet in trouble", () => {
  beforeEach(async () => {
    fleet = await CheckedFleet.open(1);
    await fleet.check();
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  test("shows rows that somebody altered after the next check, beside those that are read in any case", async () => {
    const { bench } = fleet;
    bench.now += STEADY_MS / 2;
    await fleet.work();
    await fleet.look();
    bench.sql("update deployments set deployed_at = deployed_at + 1");
    const [before, whole] = await fleet.both();
    expect([before.problems.length, whole.problems.length]).toEqual([3, SIZE]);
    await fleet.check();
    expect((await shown()).report.problems).toHaveLength(SIZE);
  });

  test("keeps it, whatever somebody writes over its row", async () => {
    const { bench } = fleet;
    bench.target("c4").fingerprint = "another";
    await bench.store.certificates.update("c4", { nextObservationAt: bench.now });
    await fleet.look();
    expect((await shown()).report.problems).toMatchObject([{ certificate: "c4", problems: [{ kind: "stale" }] }]);
    bench.sql("update endpoint_statuses set proved = 1, error_code = null where certificate = 'c4'");
    const { report } = await shown();
    expect(report.summary.provedLive).toBe(5);
    await fleet.check();
    expect((await shown()).report.summary.provedLive).toBe(5);
  });

  test("counts nothing twice where two parts have the same certificates, so that none is missed", async () => {
    const { bench } = fleet;
    bench.target("c7").fingerprint = "another";
    await bench.store.certificates.update("c7", { nextObservationAt: bench.now });
    await fleet.look();
    bench.sql("delete from steady_parts");
    await fleet.checkInTurn({ partSize: 6 });
    bench.sql("create table kept as select * from steady_parts; delete from steady_parts");
    await fleet.check();
    // c3 to c5 twice, and c6 to c8 not at all.
    bench.sql(
      "replace into steady_parts select * from kept where after = ''; delete from steady_parts where after = 'c5'",
    );
    expect((await shown()).report.problems).toMatchObject([{ certificate: "c7", problems: [{ kind: "stale" }] }]);
  });
});
