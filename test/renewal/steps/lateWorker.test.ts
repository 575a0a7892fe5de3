// A worker that stood still after its claim while another took over.
import { expect, it } from "vitest";
import type { Store } from "../../../src/domain/store.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

it("a deployer that stood still until its lease ended puts nothing anywhere, and tells of no outcome", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work("deploy");
  const { store, context } = bench;
  const { leaseMs } = context.settings;
  const privateKey: Store["versions"]["privateKey"] = async (...version) => {
    bench.now += leaseMs;
    expect(await store.deployments.claim("www", "a", bench.now, leaseMs)).toMatchObject({ fence: 2 });
    return store.versions.privateKey(...version);
  };
  const { id } = await bench.renewal("www");
  await deploy({ ...context, store: { ...store, versions: { ...store.versions, privateKey } } }, id, "a", NO_SIGNAL);
  const told = await store.events.list({ types: ["deploy.started", "deploy.failed", "deploy.succeeded"], limit: 9 });
  expect(told.map(({ type }) => type)).toEqual(["deploy.started"]);
  expect(bench.targets.get("a")?.fingerprint).toBeNull();
  expect(await store.deployments.get("www", "a")).toMatchObject({ fence: 2, leaseUntil: bench.now + leaseMs });
});
