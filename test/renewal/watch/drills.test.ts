import { expect, test } from "vitest";
import { HOUR_MS, SECOND_MS } from "../../../src/domain/time.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { draftReplacement, startReplacement } from "../../../src/renewal/plan/replacement.ts";
import { measureDrills } from "../../../src/renewal/watch/drills.ts";
import { drillsReport } from "../../../src/reports/drills.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

async function begin(bench: Workbench, names: readonly string[]): Promise<string> {
  const request = {
    ...{ selection: { certificates: new Set(names) }, described: "drill", issuer: null, waves: [], by: "ops" },
    ...{ deadline: bench.now + HOUR_MS, drill: "revoked" as const },
  };
  return (await startReplacement(bench.context, request, await draftReplacement(bench.context, request))).id;
}

/** Each at a target of its own. */
async function live(names: readonly string[]): Promise<Workbench> {
  const certificates = names.map((name, index) => {
    const target = ["a", "b"][index] ?? "a";
    const endpoints = [{ host: target, port: 443, sni: `${name}.example.org`, target }];
    return modelCertificate(name, { targets: [target], endpoints });
  });
  const bench = await Workbench.open(certificates);
  await bench.begin();
  await bench.work();
  bench.now += HOUR_MS;
  return bench;
}

test("each stage is measured from the beginning on, kept, and compared with the drill before", async () => {
  await using bench = await live(["www", "api"]);
  const first = await begin(bench, ["www", "api"]);
  const startedAt = bench.now;
  bench.now += 20 * SECOND_MS;
  await planDue(bench.context, NO_SIGNAL);
  expect(await measureDrills(bench.context, NO_SIGNAL)).toBe(0);
  bench.now += 10 * SECOND_MS;
  await bench.work();
  expect(await measureDrills(bench.context, NO_SIGNAL)).toBe(1);
  expect(await measureDrills(bench.context, NO_SIGNAL)).toBe(0);
  const [drill] = await bench.store.drills.list(10);
  expect(drill?.members.map(({ detected }) => detected)).toEqual([startedAt + 20_000, startedAt + 20_000]);
  expect(drill?.members.every(({ issued }) => issued !== null && issued >= startedAt + 30_000)).toBe(true);
  const report = await drillsReport(bench.store, first.slice(0, 8), bench.now);
  expect(report.drills[0]).toMatchObject({ id: first, proved: 2, certificates: 2, comparedWith: null });
  expect(report.drills[0]?.stages[0]).toEqual({
    ...{ stage: "detected", reached: 2, p50Ms: 20_000, p95Ms: 20_000, maxMs: 20_000, before: null },
  });
  const [ended] = await bench.store.events.list({ types: ["drill.finished"], limit: 5 });
  expect(ended?.detail).toMatchObject({ drill: first, proved: 2, certificates: 2 });

  bench.now += HOUR_MS;
  const second = await begin(bench, ["www"]);
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
  await measureDrills(bench.context, NO_SIGNAL);
  const { drills } = await drillsReport(bench.store, null, bench.now);
  expect(drills.map(({ id }) => id)).toEqual([second, first]);
  expect(drills[0]).toMatchObject({ comparedWith: { id: first, certificates: 2 } });
  expect(drills[0]?.stages[0]).toMatchObject({ p50Ms: 0, before: { p50Ms: 20_000, p95Ms: 20_000, maxMs: 20_000 } });
});

test("what is not proved by the deadline was too slow, and one that somebody else wrote is none", async () => {
  await using bench = await live(["www"]);
  const id = await begin(bench, ["www"]);
  bench.now += 2 * HOUR_MS;
  await measureDrills(bench.context, NO_SIGNAL);
  const { drills } = await drillsReport(bench.store, id, bench.now);
  expect(drills[0]).toMatchObject({ proved: 0, certificates: 1, cancelled: false });
  expect(drills[0]?.stages.at(-1)).toMatchObject({ reached: 0, p50Ms: null, maxMs: null });
  expect(Date.parse(drills[0]?.finishedAt ?? "")).toBe(bench.now - HOUR_MS);
  bench.sql("update drills set finished_at = finished_at - 1");
  expect(await bench.store.drills.list(10)).toEqual([]);
});
