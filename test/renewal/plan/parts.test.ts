import { expect, test } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import { createParts } from "../../../src/renewal/plan/parts.ts";
import { failingParts } from "../../../src/reports/notices.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

test("what failed in a process before this one works again once it has run, which is recorded once", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  const fail = async (): Promise<never> => {
    throw new RenewalError("store.altered", "a row is not as renewd wrote it");
  };
  await createParts(bench.context).run("plan", fail, NO_SIGNAL);
  await createParts(bench.context).run("expiry", fail, NO_SIGNAL);
  for (const _ of [1, 2]) {
    const restarted = createParts(bench.context);
    await restarted.run("plan", async () => "done", NO_SIGNAL);
    await restarted.run("plan", async () => "done", NO_SIGNAL);
  }
  const events = await bench.store.events.list({ types: ["planner.partFailed", "planner.partRecovered"], limit: 9 });
  expect(events.map(({ type, detail }) => `${type} ${detail.part}`)).toEqual([
    "planner.partFailed plan",
    "planner.partFailed expiry",
    "planner.partRecovered plan",
  ]);
  expect(failingParts(events).map(({ id }) => id)).toEqual(["planner/expiry"]);
});

test("a chore that fails twice in a row is recorded, once, until it works again; one failure alone is not", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  const parts = createParts(bench.context, 2);
  const run = (fails: boolean) =>
    parts.run(
      "retention",
      async () => {
        if (fails) throw new RenewalError("store.altered", "a row is not as renewd wrote it");
        return "done";
      },
      NO_SIGNAL,
    );
  const recorded = async (): Promise<string[]> => {
    const events = await bench.store.events.list({ types: ["planner.partFailed", "planner.partRecovered"], limit: 9 });
    return events.map(({ type, detail }) => `${type} ${detail.part}`).toSorted();
  };
  await run(true);
  await run(false);
  await run(true);
  expect(await recorded()).toEqual([]);
  expect(parts.failing()).toEqual(["retention"]);
  await run(true);
  await run(true);
  expect(await recorded()).toEqual(["planner.partFailed retention"]);
  expect(await run(false)).toBe("done");
  expect(await recorded()).toEqual(["planner.partFailed retention", "planner.partRecovered retention"]);
  expect(parts.failing()).toEqual([]);
});
