// Deployers that are overloaded or absent: what was issued is deployed later, and nothing is issued a second time.
import { expect, it } from "vitest";
import type { Job } from "../../../src/domain/queue.ts";
import { MINUTE_MS } from "../../../src/domain/time.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const BUSY_MS = MINUTE_MS;
/** The pair is due again after 40 s, while the deployers are still busy. */
const SHORT_LIFETIME_MS = 80_000;

/** Runs the jobs that are wanted; the others stay in the queue. Each role has workers of its own. */
async function run(bench: Workbench, isWanted: (job: Job) => boolean): Promise<void> {
  for (let at = bench.jobs.findIndex(isWanted); at >= 0; at = bench.jobs.findIndex(isWanted))
    for (const job of bench.jobs.splice(at, 1)) await bench.run(job);
}

async function tick(bench: Workbench, isWanted: (job: Job) => boolean): Promise<void> {
  await run(bench, isWanted);
  await sweep(bench.context, NO_SIGNAL);
  await planDue(bench.context, NO_SIGNAL);
}

it("keeps an issued pair while no deployer takes it for a minute, and orders no second certificate", async () => {
  await using bench = await Workbench.open([modelCertificate("busy")]);
  bench.ca.lifetimeMs = SHORT_LIFETIME_MS;
  await bench.begin();
  for (const end = bench.now + BUSY_MS; bench.now < end; bench.now += 5_000)
    await tick(bench, ({ kind }) => kind !== "deploy");
  await run(bench, ({ kind }) => kind === "deploy");
  await run(bench, ({ kind }) => kind === "verify");
  expect(await bench.store.renewals.list({ certificate: "busy", limit: 5 })).toMatchObject([
    { generation: 1, state: "succeeded" },
  ]);
  expect(bench.ca.orders).toBe(1);
});

it("does not delay the next pair for long when one of two targets never has a deployer", async () => {
  await using bench = await Workbench.open([modelCertificate("half")]);
  bench.ca.lifetimeMs = 60 * MINUTE_MS;
  await bench.begin();
  for (const end = bench.now + 200 * MINUTE_MS; bench.now < end; bench.now += MINUTE_MS)
    await tick(bench, (job) => job.kind !== "deploy" || job.target === "a");
  const renewals = await bench.store.renewals.list({ certificate: "half", limit: 50 });
  // One each half hour. It ends because the next one is due, which does not wait for the back-off ladder.
  const starts = renewals.map(({ createdAt }) => createdAt).toReversed();
  const gapsMs = starts.slice(1).map((at, index) => at - (starts[index] ?? at));
  expect(renewals.filter(({ errorCode }) => errorCode === "deploy.unattended").length).toBeGreaterThan(4);
  expect(Math.max(...gapsMs)).toBeLessThan(35 * MINUTE_MS);
  expect(Math.min(...gapsMs)).toBeGreaterThan(29 * MINUTE_MS);
});
