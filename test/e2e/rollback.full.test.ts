import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Renewal } from "../../src/domain/renewal.ts";
import { type Stages, staged, startStages } from "../support/system/stages.ts";
import { until } from "../support/until.ts";

const NO_SIGNAL = new AbortController().signal;
const WAVES = [{ targets: ["canary"] }, { targets: ["b"] }];

let stages: Stages;
beforeAll(async () => {
  stages = await startStages({
    edges: ["canary", "b"],
    certificates: (edge) => ({
      asked: staged(edge, "asked", WAVES),
      policy: staged(edge, "policy", WAVES, { onWaveFailure: "rollBack" }),
      // Due 20 s after it was issued, of 90 days.
      due: staged(edge, "due", WAVES, { renewal: { atFractionLeft: 1 - 20 / (90 * 86_400), jitter: 0 } }),
    }),
  });
  await stages.system.workers();
  for (const certificate of ["asked", "policy", "due"]) await stages.reaches(certificate, "succeeded");
  await stickCanary("due");
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
    expect(await stages.trouble("asked")).toMatchObject({
      problems: [{ what: expect.stringMatching(/^rolled back .* ago/) }],
      errors: [
        { where: "last renewal", code: "deploy.rolledBack", message: expect.stringContaining("checkout fails") },
      ],
    });

    const { leaf, leafPem, chainPem } = await stages.version("asked", 2);
    const privateKey = await system.store.versions.privateKey("asked", 2);
    const pair = { certificate: "asked", generation: 2, leaf, leafPem, chainPem, privateKey };
    const late = system.app.services.deployer("canary").deploy({ pair, previous: null }, NO_SIGNAL);
    await expect(late).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    await expectServed("asked", 1);
  });

  it("of a renewal that succeeded takes it back as well, and only once", async () => {
    const { run, system } = stages;
    expect(await run("renew", "asked", "--force", "--wait")).toMatchObject({ code: 0 });
    const good = await stages.reaches("asked", "succeeded");
    await expectServed("asked", 4);
    expect(await run("rollback", good.id, "--wait")).toMatchObject({ code: 0 });
    await expectServed("asked", 1);
    // Once more does not bring back what was just rejected: only who names it gets it.
    expect(await run("rollback", "asked")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no earlier pair"),
    });
    expect(await run("deploy", "asked", "--generation", "4", "--wait")).toMatchObject({ code: 0 });
    await expectServed("asked", 4);
    expect(await generations("asked")).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await system.store.renewals.get(good.id)).toMatchObject({ state: "succeeded" });
  });

  it("and renewd deploy NAME --generation N goes to any good one", async () => {
    const { run } = stages;
    expect(await run("deploy", "asked", "--generation", "1", "--wait")).toMatchObject({ code: 0 });
    await expectServed("asked", 1);
    expect(await generations("asked")).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("is not undone by the planner at once, but a new pair is tried later", async () => {
    const { run, system, edge } = stages;
    expect(await stages.reaches("due", "held")).toMatchObject({ reason: "renewalWindow", generation: 2 });
    const before = Date.now();
    expect(await run("rollback", "due", "--wait")).toMatchObject({ code: 0 });
    edge("canary").stuck.delete("due");
    await expectServed("due", 1);
    const record = await system.store.certificates.get("due");
    // A day, as far more than four days are left.
    expect((record?.nextAttemptAt ?? 0) - before).toBeGreaterThanOrEqual(86_400_000);
    await until("the planner's next look then", async () => {
      const { nextCheckAt } = (await system.store.certificates.get("due")) ?? {};
      return nextCheckAt === record?.nextAttemptAt || null;
    });
    expect(await run("plan", "due")).toMatchObject({ stdout: expect.stringMatching(/due +backed off +renewalWindow/) });
    // That day passes.
    await system.store.certificates.update("due", { nextAttemptAt: Date.now(), nextCheckAt: Date.now() });
    expect(await stages.after("due", await stages.reaches("due", "succeeded"))).toMatchObject({
      state: "succeeded",
      reason: "renewalWindow",
      generation: 4,
    });
    await expectServed("due", 4);
    expect(await system.store.certificates.get("due")).toMatchObject({ failures: 0, lastErrorCode: null });
  });

  it("refuses what it cannot do and says what to do", async () => {
    const { run, system } = stages;
    const refused = async (args: string[], message: RegExp) =>
      expect(await run(...args), args.join(" ")).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
    await refused(["rollback", "asekd"], /"asekd" is neither a configured certificate nor the id of one's renewal/);
    await refused(
      ["rollback", "policy"],
      /"policy" has no earlier pair that was proved live and is still valid; see `renewd show policy`/,
    );
    await refused(["deploy", "asked", "--generation", "70"], /"asked" has no generation 70; the latest is 7/);
    await refused(
      ["deploy", "asked", "--generation", "1", "--target", "b"],
      /goes back to every target at once: leave `--target` out/,
    );
    await refused(["deploy", "asked", "--generation", "x1"], /--generation: must be a number/);
    await refused(["deploy", "asked", "--target", "c"], /target "c" is not a target of asked: canary, b/);
    const [first] = (await system.store.renewals.list({ certificate: "asked", limit: 100 })).slice(-1);
    await refused(["rollback", first?.id ?? ""], /is succeeded and generation 1 has been replaced since/);
    const { id } = await held("asked");
    await refused(
      ["deploy", "asked"],
      new RegExp(`has renewal ${id}, which is held: decide with \`renewd resume ${id}\` or \`renewd rollback ${id}\``),
    );
    stages.edge("canary").stuck.delete("asked");
    expect(await run("rollback", id, "--wait")).toMatchObject({ code: 0 });
    await refused(["resume", id], /certificate "[0-9a-f-]+" is not configured/);
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

  it("is held when there is nothing to go back to, and says so", async () => {
    const { edge, run, system } = stages;
    await edge("canary").block("fresh");
    const certificates = { fresh: staged(edge, "fresh", WAVES, { onWaveFailure: "rollBack" }) };
    await stages.reconfigure({ certificates: { ...(await current()), ...certificates } });
    const renewal = await stages.reaches("fresh", "held");
    expect(renewal.errorMessage).toMatch(
      /^wave 1 of 2: target canary: .*; there is no earlier pair that was proved live and is still valid$/,
    );
    expect(await run("rollback", "fresh")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no earlier pair"),
    });
    expect(await edge("b").file("fresh")).toBeNull();
    await edge("canary").unblock("fresh");
    expect(await run("resume", "fresh", "--wait")).toMatchObject({ code: 0 });
    await expectServed("fresh", 1);
    expect(await system.store.versions.list("fresh")).toHaveLength(1);
  });
});

async function current(): Promise<Record<string, object>> {
  const { edge } = stages;
  return { asked: staged(edge, "asked", WAVES), policy: staged(edge, "policy", WAVES, { onWaveFailure: "rollBack" }) };
}
