// A certificate "www" in two waves on the Workbench: target a is the canary, target b follows.
import { expect } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import type { EventType } from "../../../src/domain/event.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { modelCertificate, Workbench } from "./workbench.ts";

export const HOUR_MS = 3_600_000;
export const wave = (target: string, patch: object = {}) => ({
  targets: [target],
  bakeMs: 0,
  failureBudget: 0,
  ...patch,
});
export const staged = (patch: Partial<Certificate> = {}): Certificate =>
  modelCertificate("www", { waves: [wave("a"), wave("b")], onWaveFailure: "hold", ...patch });

/** Generation 1 is live at both targets. */
export async function live(patch: Partial<Certificate> = {}): Promise<Workbench> {
  const bench = await Workbench.open([staged(patch)]);
  await bench.begin();
  await bench.work();
  await bench.pass(HOUR_MS);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", generation: 1 });
  return bench;
}

export const BY_HAND = { of: "www", why: null, by: "ops" };

export async function force(bench: Workbench): Promise<void> {
  await requestRenewal(bench.context, { certificate: "www", force: true, reason: null, requestedBy: null, id: null });
  await bench.work();
}

/** Generation 2 is held: its canary took it and goes on serving the pair before. */
export async function held(patch: Partial<Certificate> = {}): Promise<{ bench: Workbench; renewal: Renewal }> {
  const bench = await live(patch);
  bench.target("a").lying = true;
  await force(bench);
  const renewal = await bench.renewal("www");
  expect(renewal).toMatchObject({ state: "held", generation: 2 });
  expect(await serving(bench)).toEqual([1, 1]);
  return { bench, renewal };
}

/** The generation that each target serves; 0: none of ours. */
export async function serving(bench: Workbench): Promise<number[]> {
  const versions = await bench.store.versions.list("www");
  return ["a", "b"].map((name) => {
    const { fingerprint } = bench.target(name);
    return versions.find(({ leaf }) => leaf.fingerprint === fingerprint)?.generation ?? 0;
  });
}

export async function events(bench: Workbench, ...types: EventType[]): Promise<string[]> {
  const found = await bench.store.events.list({ certificate: "www", types, limit: 1_000 });
  return found.map(({ type, target }) => (target === null ? type : `${type} ${target}`));
}
