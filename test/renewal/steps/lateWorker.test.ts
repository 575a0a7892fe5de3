// A worker that stood still after its claim while another took over: history says nothing of it.
import { expect, it } from "vitest";
import type { Store } from "../../../src/domain/store.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const LEASE_MS = 9_000;

it("a deployer that was overtaken before it began tells of no beginning and puts nothing anywhere", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work("deploy");
  const { store, context } = bench;
  const privateKey: Store["versions"]["privateKey"] = async (...version) => {
    expect(await store.deployments.claim("www", "a", bench.now + LEASE_MS, LEASE_MS)).toMatchObject({ fence: 2 });
    return store.versions.privateKey(...version);
  };
  const { id } = await bench.renewal("www");
  await deploy({ ...context, store: { ...store, versions: { ...store.versions, privateKey } } }, id, "a", NO_SIGNAL);
  expect(await store.events.list({ types: ["deploy.started", "deploy.failed", "deploy.succeeded"], limit: 9 })).toEqual(
    [],
  );
  expect(bench.targets.get("a")?.fingerprint).toBeNull();
  expect(await store.deployments.get("www", "a")).toMatchObject({ fence: 2, leaseUntil: bench.now + 2 * LEASE_MS });
});

it("a verifier that was overtaken before it began tells of no beginning", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work("verify");
  const { store, context } = bench;
  const { id, fence } = await bench.renewal("www");
  const facts: Store["renewals"]["facts"] = async (renewal) => {
    await store.renewals.claim(id, bench.now + LEASE_MS, LEASE_MS);
    return store.renewals.facts(renewal);
  };
  await verify({ ...context, store: { ...store, renewals: { ...store.renewals, facts } } }, id, NO_SIGNAL);
  expect(await store.events.list({ types: ["verify.started", "verify.converged"], limit: 9 })).toEqual([]);
  expect(await bench.renewal("www")).toMatchObject({ state: "verifying", fence: fence + 2 });
});
