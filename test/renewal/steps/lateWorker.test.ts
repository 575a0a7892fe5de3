// A worker that stood still for longer than its lease.
import { expect, it } from "vitest";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

it("a deployer that stood still until its lease ended puts nothing anywhere, and tells of no outcome", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work("deploy");
  const { store, context } = bench;
  const { leaseMs } = context.settings;
  let isClaimed = false;
  // Right after its claim.
  const transaction: Store["transaction"] = async (work) => {
    const done = await store.transaction(work);
    if (isClaimed) return done;
    isClaimed = true;
    bench.now += leaseMs;
    expect(await store.deployments.claim("www", "a", bench.now, leaseMs)).toMatchObject({ fence: 2 });
    return done;
  };
  const { id } = await bench.renewal("www");
  await deploy({ ...context, store: { ...store, transaction } }, id, "a", NO_SIGNAL);
  const told = await store.events.list({ types: ["deploy.started", "deploy.failed", "deploy.succeeded"], limit: 9 });
  expect(told.map(({ type }) => type)).toEqual(["deploy.started"]);
  expect(bench.targets.get("a")?.fingerprint).toBeNull();
  expect(await store.deployments.get("www", "a")).toMatchObject({ fence: 2, leaseUntil: bench.now + leaseMs });
});

it.each([
  ["is resumed where nobody took over meanwhile", false, 1],
  ["is another one's affair where somebody did", true, 2],
])("an order that the CA opened while its worker stood still %s", async (_, isTakenOver, orders) => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  const { store, context } = bench;
  const { leaseMs } = context.settings;
  const { id } = await bench.renewal("www");
  // Between the answer and its record.
  const issuer: Context["services"]["issuer"] = (name) => {
    const ca = context.services.issuer(name);
    return {
      ...ca,
      issue: (request, progress, ...rest) => {
        const save: typeof progress.save = async (state, event) => {
          bench.now += leaseMs;
          if (isTakenOver) expect(await store.renewals.claim(id, bench.now, leaseMs)).toMatchObject({ fence: 2 });
          return progress.save(state, event);
        };
        return ca.issue(request, { ...progress, save }, ...rest);
      },
    };
  };
  await issue({ ...context, services: { ...context.services, issuer } }, id, NO_SIGNAL);
  expect(await bench.renewal("www")).toMatchObject({ state: "issuing", attempts: 0 });
  expect((await store.renewals.orderState(id)).orderUrl).toBe(isTakenOver ? null : "order-0");
  await bench.pass(2 * leaseMs);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded" });
  expect(bench.ca.orders).toBe(orders);
});
