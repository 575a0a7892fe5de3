import { expect, it } from "vitest";
import { watchedTicks } from "../../src/compose/ticks.ts";
import { certificate } from "../support/model/facts.ts";
import { Workbench } from "../support/model/workbench.ts";
import { until } from "../support/until.ts";

it("goes on planning with the next sweep when a tick's time did not do for all that is due", async () => {
  const names = ["a", "b", "c", "d", "e"];
  await using bench = await Workbench.open(names.map((name) => certificate({ name })));
  let elapsedMs = 0;
  // Time passes with each look at the clock: two certificates fit into a tick.
  const clock = { ...bench.context.clock, monotonic: () => elapsedMs++ };
  const context = { ...bench.context, clock, settings: { ...bench.context.settings, planBudgetMs: 3 } };
  const planned = async () => (await bench.store.renewals.list({ limit: names.length })).length;
  const errors: unknown[] = [];
  const ticks = watchedTicks(
    context,
    () => ({ tickMs: 3_600_000, sweepMs: 10 }),
    (error) => errors.push(error),
  );
  try {
    await ticks.run("plan", new AbortController().signal);
    const first = await planned();
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(names.length);
    await until("all to be planned", async () => ((await planned()) === names.length ? true : null));
  } finally {
    await ticks.close();
  }
  expect(errors).toEqual([]);
});
