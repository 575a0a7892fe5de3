import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Renewal } from "../../src/domain/renewal.ts";
import { type Stages, staged, startStages } from "../support/system/stages.ts";

const NO_SIGNAL = new AbortController().signal;
const WAVES = [{ targets: ["canary"] }, { targets: ["b"] }];

let stages: Stages;
beforeAll(async () => {
  stages = await startStages({
    edges: ["canary", "b"],
    certificates: (edge) => ({
      asked: staged(edge, "asked", WAVES),
      policy: staged(edge, "policy", WAVES, { onWaveFailure: "rollBack" }),
    }),
  });
  await stages.system.workers();
  for (const certificate of ["asked", "policy"]) await stages.reaches(certificate, "succeeded");
}, 120_000);
afterAll(() => stages[Symbol.asyncDispose]());

async function stickCanary(certificate: string): Promise<void> {
  const canary = stages.edge("canary");
  const pem = String(await canary.file(certificate));
  canary.stuck.set(certificate, { certPem: pem, keyPem: pem });
}

/** A new pair whose canary goes on showing the one before. */
async function held(certificate: string): Promise<Renewal> {
  await stickCanary(certificate);
  await stages.force(certificate);
  return stages.reaches(certificate, "held");
}

async function expectServed(certificate: string, generation: number): Promise<void> {
  const { leaf } = await stages.version(certificate, generation);
  for (const name of ["canary", "b"])
    expect(await stages.edge(name).serves(certificate), `${name} serves generation ${generation}`).toBe(
      leaf.fingerprint,
    );
}

async function generations(certificate: string): Promise<number[]> {
  return (await stages.system.store.versions.list(certificate)).map(({ generation }) => generation);
}

describe("renewd rollback", () => {
  it("of a held renewal puts the pair before back, proves it, and orders nothing; a late deployer of the bad pair is refused", async () => {
    const { system, run, edge } = stages;
    const bad = await held("asked");
    const orders = system.orders();
    edge("canary").stuck.delete("asked");
    expect(await edge("canary").serves("asked")).toBe((await stages.version("asked", 2)).leaf.fingerprint);

    expect(await run("rollback", "asked", "--wait", "--reason", "checkout fails")).toMatchObject({ code: 0 });
    expect(await system.store.renewals.get(bad.id)).toMatchObject({ state: "rolledBack" });
    const back = await stages.reaches("asked", "succeeded");
    expect(back).toMatchObject({
      reason: "rollback",
      generation: 3,
      reasonDetail: expect.stringMatching(/^generation 1 again: checkout fails \(by .*\)$/),
    });
    await expectServed("asked", 1);
    expect(await generations("asked")).toEqual([1, 2, 3]);
    expect((await stages.version("asked", 3)).leaf).toEqual((await stages.version("asked", 1)).leaf);
    expect(system.orders()).toBe(orders);
    // A person decided: nothing failed, and nobody is called.
    expect(await stages.trouble("asked")).toBeUndefined();

    const { leaf, leafPem, chainPem } = await stages.version("asked", 2);
    const privateKey = await system.store.versions.privateKey("asked", 2);
    const pair = { certificate: "asked", generation: 2, leaf, leafPem, chainPem, privateKey };
    const late = system.app.services.deployer("canary").deploy({ pair, previous: null }, NO_SIGNAL);
    await expect(late).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    expect(await run("rollback", "asekd")).toMatchObject({ code: 2, stderr: expect.stringContaining("asekd") });
    await expectServed("asked", 1);
  });
});

describe("onWaveFailure: rollBack", () => {
  it("puts the pair before back by itself when a canary fails", async () => {
    const { system } = stages;
    const first = await stages.reaches("policy", "succeeded");
    await stickCanary("policy");
    const orders = system.orders();
    await stages.force("policy");
    await stages.after("policy", first);
    const [bad] = await stages.events("policy", "renewal.rolledBack");
    expect(await stages.after("policy", { id: bad?.renewalId ?? "" })).toMatchObject({
      ...{ state: "succeeded", reason: "rollback", generation: 3, trigger: "planner" },
      reasonDetail: expect.stringMatching(/^generation 1 again: wave 1 of 2: endpoint policy\.example\.org@/),
    });
    expect(await system.store.renewals.get(bad?.renewalId ?? "")).toMatchObject({ state: "rolledBack", generation: 2 });
    stages.edge("canary").stuck.delete("policy");
    await expectServed("policy", 1);
    expect(system.orders() - orders).toBe(1);
    expect(bad?.detail).toEqual({ generation: 2, to: 1 });
  });
});
