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

it("throws no issued pair away in an overloaded run, where the last deployment comes when its pair is due again", async () => {
  const names = Array.from({ length: 10 }, (_, index) => `busy${index}`);
  await using bench = await Workbench.open(
    names.map((name) => modelCertificate(name, { targets: ["a"], endpoints: [] })),
  );
  bench.ca.lifetimeMs = 12 * MINUTE_MS;
  await bench.begin();
  // One deployment a minute: the last is taken after ten minutes, and a pair is due again after eight.
  const taken: string[] = [];
  for (let turn = 0; taken.length < names.length && turn < 20; turn++, bench.now += MINUTE_MS) {
    await tick(bench, ({ kind }) => kind !== "deploy");
    const at = bench.jobs.findIndex((job) => job.kind === "deploy" && !taken.includes(job.renewalId));
    for (const job of at < 0 ? [] : bench.jobs.splice(at, 1)) {
      taken.push(job.kind === "deploy" ? job.renewalId : "");
      await bench.run(job);
    }
  }
  await run(bench, ({ kind }) => kind !== "deploy" && kind !== "issue");
  const renewals = await bench.store.renewals.list({ limit: 1_000 });
  expect(renewals.filter(({ errorCode }) => errorCode === "deploy.unattended")).toEqual([]);
  const first = renewals.filter(({ generation }) => generation === 1);
  expect(first.map(({ state }) => state)).toEqual(names.map(() => "succeeded"));
  expect(bench.now - (first.at(-1)?.createdAt ?? bench.now)).toBeGreaterThan(9 * MINUTE_MS);
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
