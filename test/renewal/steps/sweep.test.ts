// What nobody takes must not keep the rest waiting.
import { expect, it } from "vitest";
import type { Context } from "../../../src/renewal/context.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { renewal } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

/** Far below what is due, so that no sweep reaches all of it. */
const BATCH = 2;
const NAMES = Array.from({ length: 8 * BATCH }, (_, index) => `www-${index}`);

/** Returns the certificates whose jobs these sweeps enqueued. */
async function swept(bench: Workbench, context: Context, sweeps: number): Promise<Set<string>> {
  const small = { ...context, settings: { ...context.settings, batch: BATCH } };
  bench.jobs.length = 0;
  for (let round = 0; round < sweeps; round++) {
    bench.now += context.settings.requeueMs;
    await sweep(small, NO_SIGNAL);
  }
  const names = new Map(
    (await bench.store.renewals.list({ limit: 100 })).map(({ id, certificate }) => [id, certificate]),
  );
  return new Set(bench.jobs.map(({ renewalId }) => names.get(renewalId) ?? ""));
}

it("reaches what is due behind any number of more urgent renewals that nobody takes", async () => {
  await using bench = await Workbench.open(NAMES.map((name) => modelCertificate(name)));
  await bench.begin();
  expect(await swept(bench, bench.context, 3)).toEqual(new Set(NAMES));
});

it("takes the most urgent at each sweep all the same", async () => {
  const urgent = modelCertificate("urgent");
  await using bench = await Workbench.open([...NAMES.map((name) => modelCertificate(name)), urgent]);
  const [id, digest] = ["22222222-2222-4222-8222-222222222222", urgent.digest];
  await bench.store.renewals.insert(
    renewal({ id, digest, certificate: urgent.name, priority: 0, nextActionAt: bench.now }),
  );
  await bench.begin();
  for (let round = 0; round < 3; round++) expect(await swept(bench, bench.context, 1)).toContain(urgent.name);
});

it("reaches what is due behind any number of renewals that cannot be advanced", async () => {
  await using bench = await Workbench.open(NAMES.map((name) => modelCertificate(name)));
  await bench.begin();
  const { services } = bench.context;
  const [sound] = NAMES.slice(-1);
  const broken = (): never => {
    throw new Error("planted");
  };
  const damaged = {
    ...services,
    certificate: (name: string) => (name === sound ? services.certificate(name) : broken()),
  };
  expect(await swept(bench, { ...bench.context, services: damaged }, 3)).toEqual(new Set([sound]));
});
