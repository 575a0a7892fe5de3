import { expect, it } from "vitest";
import { watchedTicks } from "../../src/compose/ticks.ts";
import { HOUR_MS } from "../../src/domain/time.ts";
import { draftReplacement, startReplacement } from "../../src/renewal/plan/replacement.ts";
import { certificate } from "../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../support/model/workbench.ts";
import { until } from "../support/until.ts";

it("goes on planning with the next sweep when a tick's time did not do for all that is due", async () => {
  const names = ["a", "b", "c", "d", "e"];
  await using bench = await Workbench.open(names.map((name) => certificate({ name })));
  let elapsedMs = 0;
  // Time passes with each certificate that is looked at: two fit into a tick.
  const { renewals } = bench.store;
  const planningFacts: typeof renewals.planningFacts = (name) => {
    elapsedMs += 1;
    return renewals.planningFacts(name);
  };
  const store = { ...bench.store, renewals: { ...renewals, planningFacts } };
  const clock = { ...bench.context.clock, monotonic: () => elapsedMs };
  const context = { ...bench.context, store, clock, settings: { ...bench.context.settings, planBudgetMs: 2 } };
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
    expect(first).toBe(2);
    await until("all to be planned", async () => ((await planned()) === names.length ? true : null));
  } finally {
    await ticks.close();
  }
  expect(errors).toEqual([]);
});

it("begins a replacement with the next sweep, not with the next tick", async () => {
  const endpoints = [{ host: "a", port: 443, sni: "www.example.org", target: "a" }];
  await using bench = await Workbench.open([modelCertificate("www", { targets: ["a"], endpoints })]);
  await bench.begin();
  await bench.work();
  const planned = async () => (await bench.store.renewals.list({ certificate: "www", limit: 9 })).length;
  const errors: unknown[] = [];
  const ticks = watchedTicks(
    bench.context,
    () => ({ tickMs: HOUR_MS, sweepMs: 10 }),
    (error) => errors.push(error),
  );
  try {
    await ticks.run("plan", NO_SIGNAL);
    expect(await planned()).toBe(1);
    const request = {
      ...{ selection: { certificates: new Set(["www"]) }, described: "--san www.example.org" },
      ...{ issuer: null, waves: [], by: "ops", deadline: bench.now + HOUR_MS },
    };
    await startReplacement(bench.context, request, await draftReplacement(bench.context, request));
    await until("the replacement to be planned", async () => ((await planned()) === 2 ? true : null));
  } finally {
    await ticks.close();
  }
  expect(errors).toEqual([]);
});
