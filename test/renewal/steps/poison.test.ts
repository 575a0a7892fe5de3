// One certificate kills the worker that deploys it, and with it all that this worker has in hand.
import { expect, it } from "vitest";
import type { Job } from "../../../src/domain/queue.ts";
import { advance } from "../../../src/renewal/rules/advance.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { certificate, deployment, NOW, renewal, version } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const POISON = "poison";
const INNOCENT = Array.from({ length: 6 }, (_, index) => `innocent-${index}`);
const DEATHS_MAX = 5;
const LEASE_MS = 9_000;

/** One worker has all these jobs in hand at the same time. Returns whether it died of them. */
async function workTogether(bench: Workbench, jobs: readonly [string, Job][]): Promise<boolean> {
  const { deployments } = bench.store;
  if (jobs.some(([name]) => name === POISON)) {
    const claims = new Map<string, unknown>();
    for (const [name] of jobs) claims.set(name, await deployments.claim(name, "a", bench.now, LEASE_MS));
    if (claims.get(POISON) !== null) return true;
    throw new Error("what is offered can be claimed");
  }
  for (const [, job] of jobs) await bench.run(job);
  return false;
}

it("only the guilty one is quarantined, after five deaths", async () => {
  await using bench = await Workbench.open(
    [POISON, ...INNOCENT].map((name) => modelCertificate(name, { targets: ["a"], endpoints: [] })),
  );
  await bench.begin();
  const nameOf = new Map(
    (await bench.store.renewals.list({ limit: 100 })).map(({ id, certificate: name }) => [id, name]),
  );
  // Every one is issued, and all deployments wait in the queue at the same time.
  const waiting: Job[] = [];
  for (let job = bench.jobs.shift(); job !== undefined; job = bench.jobs.shift()) {
    if (job.kind === "deploy") waiting.push(job);
    else await bench.run(job);
  }
  bench.jobs.push(...waiting);
  let deaths = 0;
  for (const end = bench.now + 600_000; bench.now < end; bench.now += 5_000) {
    const jobs = new Map(bench.jobs.splice(0).map((job) => [nameOf.get(job.renewalId) ?? "", job]));
    if (await workTogether(bench, [...jobs])) deaths += 1;
    await sweep(bench.context, NO_SIGNAL);
  }
  expect(deaths).toBe(DEATHS_MAX);
  expect(await bench.renewal(POISON)).toMatchObject({ state: "failed", errorCode: "internal.crashLoop" });
  for (const name of INNOCENT) expect(await bench.renewal(name)).toMatchObject({ state: "succeeded" });
});

it("an attempt that follows on deaths is let run to its end", () => {
  const facts = {
    certificate: certificate(),
    version: version({ verifiedAt: null }),
    previous: null,
    endpoints: [],
    outdated: false,
    silent: new Set<string>(),
    leaseMs: LEASE_MS,
    crashesMax: DEATHS_MAX,
  };
  const fifth = deployment({ openClaims: DEATHS_MAX, leaseUntil: NOW + 1 });
  expect(advance(renewal(), { ...facts, deployments: [fifth] }, NOW)).toEqual({ kind: "wait", until: NOW + 1 });
  expect(advance(renewal(), { ...facts, deployments: [fifth] }, NOW + 1)).toMatchObject({
    kind: "fail",
    code: "internal.crashLoop",
  });
});

it("what waits after deaths keeps no other target from being proved", () => {
  const targets = ["lb", "poisoned"];
  const endpoint = { host: "127.0.0.1", port: 443, sni: "www.example.org", target: "lb" };
  const deployments = [
    deployment({ deployedGeneration: 1, deployedAt: NOW }),
    deployment({ target: "poisoned", openClaims: 3, leaseUntil: NOW }),
  ];
  const facts = {
    version: version({ verifiedAt: null }),
    previous: null,
    endpoints: [],
    outdated: false,
    silent: new Set<string>(),
    leaseMs: LEASE_MS,
    crashesMax: DEATHS_MAX,
    deployments,
  };
  const action = advance(renewal(), { ...facts, certificate: certificate({ targets, endpoints: [endpoint] }) }, NOW);
  expect(action).toEqual({ kind: "verify", endpoints: [endpoint] });
});
