// A person asks for a rehearsal, wherever; a planner carries it out.
import { expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { rehearseDue, rehearseRequested } from "../../../src/renewal/watch/rehearseDue.ts";
import { REQUEST_KEPT_MS, requestRehearsal } from "../../../src/renewal/watch/requestRehearsal.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const CERTIFICATE = { ...modelCertificate("www"), endpoints: [] };
const wish = { certificate: "www", by: "alice@laptop", why: "before the freeze" };

async function begun(): Promise<{ bench: Workbench; context: Context; orders: () => number }> {
  const bench = await Workbench.open([CERTIFICATE]);
  await bench.begin();
  let orders = 0;
  const issue = () => {
    orders += 1;
    return Promise.reject(new RenewalError("acme.account", "the CA refuses the account"));
  };
  const rehearsal = () => ({ issuer: { issue }, budget: unlimited("ca") });
  const context = {
    ...bench.context,
    clockGuard: { ...bench.context.clockGuard, check: async () => {} },
    services: { ...bench.context.services, rehearsal },
  };
  return { bench, context, orders: () => orders };
}

it("asking begins nothing where it is asked; one of two planners rehearses, and says for whom", async () => {
  const { bench, context, orders } = await begun();
  await using _ = bench;
  await requestRehearsal(context, wish);
  expect(orders()).toBe(0);
  await expect(requestRehearsal(context, wish)).rejects.toThrow("is being rehearsed already");
  const done = await Promise.all([rehearseRequested(context, NO_SIGNAL), rehearseRequested(context, NO_SIGNAL)]);
  expect(done.flat()).toEqual(["www"]);
  expect(orders()).toBe(1);
  const [event] = await bench.store.events.list({ types: ["certificate.rehearsed"], limit: 1 });
  expect(event?.detail).toMatchObject({
    by: "alice@laptop",
    why: "before the freeze",
    passed: false,
    steps: expect.arrayContaining(["order"]),
    stepCodes: expect.arrayContaining(["acme.account"]),
  });
  expect(await rehearseRequested(context, NO_SIGNAL)).toEqual([]);
  await requestRehearsal(context, wish);
});

it("rehearsals by themselves that come to it first keep who asked, and a planner that died is replaced", async () => {
  const { bench, context, orders } = await begun();
  await using _ = bench;
  await requestRehearsal(context, wish);
  // A planner took it and died.
  const { store } = bench;
  await store.certificates.claimRehearsal("www", { now: bench.now, nextAt: bench.now + 3_600_000 });
  expect(await rehearseRequested(context, NO_SIGNAL)).toEqual([]);
  bench.now += 3_600_001;
  expect(await rehearseDue({ ...context, settings: { ...context.settings, rehearseMs: 10_000 } }, NO_SIGNAL)).toBe(
    "www",
  );
  expect(orders()).toBe(1);
  const [event] = await store.events.list({ types: ["certificate.rehearsed"], limit: 1 });
  expect(event?.detail.by).toBe("alice@laptop");
});

it("a request that nobody carried out is forgotten, so that somebody can ask again", async () => {
  const { bench, context, orders } = await begun();
  await using _ = bench;
  await requestRehearsal(context, wish);
  bench.now += REQUEST_KEPT_MS + 1;
  expect(await rehearseRequested(context, NO_SIGNAL)).toEqual([]);
  expect(orders()).toBe(0);
  await requestRehearsal(context, wish);
});
