import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stages, staged, startStages } from "../support/system/stages.ts";
import { until } from "../support/until.ts";

/** Longer than the first proof takes on a busy machine: one that ends later counts for both. */
const BAKE_MS = 6_000;

let stages: Stages;
beforeAll(async () => {
  stages = await startStages({
    edges: ["canary", "b", "c"],
    certificates: (edge) => ({
      baked: staged(edge, "baked", [{ targets: ["canary"], bake: `${BAKE_MS}ms` }, { targets: ["b"] }]),
      held: staged(edge, "held", [{ targets: ["canary"] }, { targets: ["b", "c"] }]),
      spared: staged(edge, "spared", [{ targets: ["canary", "b"], failureBudget: 1 }, { targets: ["c"] }]),
    }),
  });
  await stages.system.workers();
  for (const certificate of ["baked", "held", "spared"]) await stages.reaches(certificate, "succeeded");
}, 120_000);
afterAll(() => stages[Symbol.asyncDispose]());

/** Generation 1 is live everywhere; generation 2 is held as its canary goes on showing what it did. */
async function hold(
  certificate: string,
): Promise<{ readonly id: string; readonly generation: number; readonly before: (Buffer | null)[] }> {
  const { system, edge } = stages;
  const canary = edge("canary");
  const pem = String(await canary.file(certificate));
  canary.stuck.set(certificate, { certPem: pem, keyPem: pem });
  const before = await Promise.all(["b", "c"].map((name) => edge(name).file(certificate)));
  await stages.force(certificate);
  const { id, generation } = await stages.reaches(certificate, "held");
  expect((await system.store.versions.latest(certificate))?.generation).toBe(generation);
  return { id, generation, before };
}

async function expectEverywhere(certificate: string, generation: number, edges: readonly string[]): Promise<void> {
  const { leaf } = await stages.version(certificate, generation);
  for (const name of edges)
    expect(await stages.edge(name).serves(certificate), `${name} serves generation ${generation}`).toBe(
      leaf.fingerprint,
    );
}

describe("a new pair goes from wave to wave", () => {
  it("and the second wave gets nothing before the first was proved, baked and proved again", async () => {
    const events = await stages.events(
      "baked",
      "deploy.started",
      "deploy.succeeded",
      "verify.started",
      "verify.converged",
    );
    const canary = ["deploy.started canary", "deploy.succeeded canary", "verify.started", "verify.converged"];
    expect(events.map(({ type, target }) => (target === null ? type : `${type} ${target}`))).toEqual([
      ...canary,
      "verify.started",
      "verify.converged",
      ...["deploy.started b", "deploy.succeeded b", "verify.started", "verify.converged"],
    ]);
    const deployed = events[1];
    const provedAgain = events[5];
    expect((provedAgain?.at ?? 0) - (deployed?.at ?? 0)).toBeGreaterThanOrEqual(BAKE_MS);
  });

  it("and within its failure budget past a target that fails, which status then names", async () => {
    const { edge, run } = stages;
    await edge("b").block("spared");
    expect((await run("renew", "spared", "--force")).code).toBe(0);
    expect(await stages.reaches("spared", "failed")).toMatchObject({
      generation: 2,
      errorMessage: expect.stringMatching(/^2 of 3 targets deployed; target b: /),
    });
    await expectEverywhere("spared", 2, ["canary", "c"]);
    await expectEverywhere("spared", 1, ["b"]);
    const trouble = await until("status to say partial", async () => {
      const found = await stages.trouble("spared");
      return found?.problems.some(({ kind }) => kind === "notDeployed") ? found : null;
    });
    expect(trouble.problems.map(({ what }) => what).join("; ")).toMatch(
      /partial: 1 target of 3 not holding generation 2 \(b\), which was issued [\d.]+ s ago/,
    );
    await edge("b").unblock("spared");
    expect(await stages.reaches("spared", "succeeded")).toMatchObject({ reason: "drift", generation: 2 });
    await expectEverywhere("spared", 2, ["b"]);
  });
});

describe("a canary that serves something else holds the renewal", () => {
  it("with the other targets on the old pair byte for byte, told by status, and resumed by name once it is mended", async () => {
    const { edge, run, system } = stages;
    const orders = system.orders();
    const { generation, before } = await hold("held");
    const { code, stdout } = await run("status");
    expect(code).toBe(1);
    expect(stdout).toMatch(/held .* 1 of 3 targets on generation 2/);
    expect(stdout).toMatch(/wave 1 of 2: endpoint held\.example\.org@127\.0\.0\.1:\d+: 127\.0\.0\.1: serves serial/);
    expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
      /`renewd \S+ \S+ resume held`; or put the pair before back: `renewd \S+ \S+ rollback held`/,
    );
    expect(await stages.trouble("held")).toMatchObject({
      needsPerson: true,
      problems: [{ kind: "held", what: expect.stringMatching(/\bb, c\b/) }],
    });
    expect(await Promise.all(["b", "c"].map((name) => edge(name).file("held")))).toEqual(before);
    await expectEverywhere("held", 1, ["b", "c"]);

    edge("canary").stuck.delete("held");
    expect(await run("resume", "held", "--wait")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/goes on: resumed by hand \(by .*\)/),
    });
    await expectEverywhere("held", generation, ["canary", "b", "c"]);
    expect(await run("status")).toMatchObject({ code: 0 });
    expect(system.orders() - orders).toBe(1);
  });
});

describe("nothing is lost", () => {
  it("when every worker is killed and Redis flushed while a renewal is held", async () => {
    const { edge, run, system } = stages;
    const { generation, before } = await hold("held");
    const orders = system.orders();
    await killAll();
    await system.redis.flushall();
    await system.workers();
    // Another's deployment shows that the workers are at work again.
    expect(await run("deploy", "spared", "--wait")).toMatchObject({ code: 0 });
    expect(await stages.reaches("held", "held")).toMatchObject({ generation });
    expect(await Promise.all(["b", "c"].map((name) => edge(name).file("held")))).toEqual(before);
    edge("canary").stuck.delete("held");
    await system.redis.flushall();
    expect(await run("resume", "held", "--wait")).toMatchObject({ code: 0 });
    await expectEverywhere("held", generation, ["canary", "b", "c"]);
    expect(system.orders() - orders).toBe(0);
  });

  it("when every worker is killed while a wave bakes", async () => {
    const { system } = stages;
    await stages.force("baked");
    await until("generation 2 to bake", async () =>
      (await stages.events("baked", "verify.converged")).length === 4 ? true : null,
    );
    expect(await stages.trouble("baked")).toBeUndefined();
    await killAll();
    await expectEverywhere("baked", 1, ["b"]);
    await system.workers();
    expect(await stages.reaches("baked", "succeeded")).toMatchObject({ generation: 2 });
    await expectEverywhere("baked", 2, ["canary", "b"]);
    const [deployed] = (await stages.events("baked", "deploy.succeeded")).filter(
      ({ target, detail }) => target === "b" && detail.generation === 2,
    );
    const [canary] = (await stages.events("baked", "deploy.succeeded")).filter(
      ({ target, detail }) => target === "canary" && detail.generation === 2,
    );
    expect((deployed?.at ?? 0) - (canary?.at ?? 0)).toBeGreaterThanOrEqual(5_000);
  });
});

async function killAll(): Promise<void> {
  const workers = stages.system.running().filter(({ ended }) => !ended());
  expect(workers).toHaveLength(4);
  for (const worker of workers) worker.kill("SIGKILL");
  await Promise.all(workers.map(({ exited }) => exited));
}
