import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nameOf } from "../support/servers/edge.ts";
import { foreignPair, type Stages, startStages } from "../support/system/stages.ts";
import type { Section } from "../support/system/system.ts";
import { until } from "../support/until.ts";

let stages: Stages;
beforeAll(async () => {
  stages = await startStages({ edges: ["a", "b"], certificates: () => ({}) });
  await stages.reconfigure({ certificates: certificates() });
  await stages.system.workers();
  for (const certificate of ["asked", "drift", "down", "grows", "partial", "drilled"])
    await stages.reaches(certificate, "succeeded");
}, 120_000);
afterAll(() => stages[Symbol.asyncDispose]());

function on(certificate: string, targets: readonly string[]): Section {
  return {
    names: [nameOf(certificate)],
    targets,
    endpoints: targets.map((name) => stages.edge(name).endpoint(certificate)),
    verifyTimeout: "2s",
  };
}

function certificates(more: Section = {}): Section {
  return {
    asked: on("asked", ["a", "b"]),
    drift: on("drift", ["a", "b"]),
    down: on("down", ["a"]),
    grows: on("grows", ["a"]),
    partial: on("partial", ["a", "b"]),
    drilled: on("drilled", ["a", "b"]),
    ...more,
  };
}

async function deploys(certificate: string): Promise<string[]> {
  return (await stages.events(certificate, "deploy.succeeded")).map(({ target }) => target ?? "");
}

async function expectServed(certificate: string, generation: number, edges: readonly string[]): Promise<void> {
  const { leaf } = await stages.version(certificate, generation);
  for (const name of edges)
    expect(await stages.edge(name).serves(certificate), `${name} serves generation ${generation}`).toBe(
      leaf.fingerprint,
    );
}

describe("renewd drill", () => {
  it("replaces what is served as if it had been revoked, and measures every stage until it is proved", async () => {
    const { run } = stages;
    const { code, stdout } = await run("drill", "drilled", "--yes", "--wait", "--json");
    const [drill] = JSON.parse(stdout).drills;
    expect([code, drill.proved, drill.members.length]).toEqual([0, 1, 1]);
    const { detectedAt, issuedAt, deployedAt, provedAt } = drill.members[0];
    const instants = [drill.startedAt, detectedAt, issuedAt, deployedAt, provedAt].map((at) => Date.parse(at));
    expect(instants).toEqual(instants.toSorted((one, other) => one - other));
    expect(drill.stages.map(({ reached }: { reached: number }) => reached)).toEqual([1, 1, 1, 1]);
    await expectServed("drilled", 2, ["a", "b"]);
  });
});

describe("renewd deploy", () => {
  it("puts the pair that exists into the target asked for, proves it, and issues nothing", async () => {
    const { run, system, edge } = stages;
    const orders = system.orders();
    // Else renewd itself may be faster than the person.
    await run("pause", "asked", "--reason", "to deploy by hand");
    await edge("b").overwrite("asked", await foreignPair("asked"));
    expect(await run("deploy", "asked", "--target", "b", "--wait")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("generation 1"),
    });
    expect((await deploys("asked")).toSorted()).toEqual(["a", "b", "b"]);
    await expectServed("asked", 1, ["a", "b"]);
    expect(await run("deploy", "asked", "--wait", "--json")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"state": "succeeded"'),
    });
    expect((await deploys("asked")).toSorted()).toEqual(["a", "a", "b", "b", "b"]);
    expect(system.orders()).toBe(orders);
  });
});

describe("what endpoints serve between renewals", () => {
  it("is no reason to deploy where nothing answers, and is green again when it does", async () => {
    const { edge, system } = stages;
    edge("a").down.add("down");
    const trouble = await until("status to see it", async () => (await stages.trouble("down")) ?? null);
    expect(trouble).toMatchObject({
      needsPerson: true,
      problems: [{ kind: "stale" }],
      errors: [{ code: "verify.dropped" }],
    });
    const looksBefore = await lookedAt("down");
    await until("another look", async () => ((await lookedAt("down")) > looksBefore ? true : null));
    edge("a").down.delete("down");
    await until("status to be content again", async () => ((await stages.trouble("down")) === undefined ? true : null));
    expect(await deploys("down")).toEqual(["a"]);
    expect(await system.store.renewals.list({ certificate: "down", limit: 5 })).toHaveLength(1);
    expect((await stages.events("down", "verify.stale", "verify.converged")).map(({ type }) => type)).toEqual([
      "verify.converged",
      "verify.stale",
      "verify.converged",
    ]);
  });

  it("proves an imported pair, which is never deployed over anything else before that", async () => {
    const { edge, run, system } = stages;
    const [ours, theirs] = [await foreignPair("imported"), await foreignPair("imported")];
    await edge("a").overwrite("imported", theirs);
    await Promise.all([
      writeFile(join(system.home, "imported.pem"), ours.certPem),
      writeFile(join(system.home, "imported.key"), ours.keyPem),
    ]);
    await system.configure({ certificates: certificates({ imported: on("imported", ["a"]) }) });
    const files = ["--certificate", join(system.home, "imported.pem"), "--key", join(system.home, "imported.key")];
    expect(await run("import", "imported", ...files)).toMatchObject({ code: 0 });
    await stages.reconfigure({ certificates: certificates({ imported: on("imported", ["a"]) }) });
    const seen = await until(
      "a look at what is served",
      async () => (await stages.events("imported", "verify.stale"))[0] ?? null,
    );
    expect(seen.detail).toMatchObject({ code: "verify.stale", generation: 1 });
    const looks = await lookedAt("imported");
    await until("another look", async () => ((await lookedAt("imported")) > looks ? true : null));
    expect(await system.store.renewals.list({ certificate: "imported", limit: 5 })).toEqual([]);

    await edge("a").overwrite("imported", ours);
    await until("its proof", async () => ((await stages.version("imported", 1)).verifiedAt === null ? null : true));
    await edge("a").overwrite("imported", theirs);
    expect(await stages.reaches("imported", "succeeded")).toMatchObject({ reason: "drift", generation: 1 });
    await expectServed("imported", 1, ["a"]);
  });
});

describe("targets are independent", () => {
  it("one that is down never stops another; status says partial, who and since when, and each is tried again by itself", async () => {
    const { edge, run } = stages;
    await edge("a").block("partial");
    expect(await stages.ended(await stages.force("partial"))).toMatchObject({
      state: "failed",
      errorMessage: expect.stringMatching(/^1 of 2 targets deployed; target a: /),
    });
    await expectServed("partial", 2, ["b"]);
    await expectServed("partial", 1, ["a"]);
    const told = await until("status to say partial", async () => {
      const { code, stdout } = await run("status");
      return stdout.includes("partial: ") ? { code, text: stdout.replaceAll(/\s+/g, " ") } : null;
    });
    expect(told).toMatchObject({
      code: 1,
      text: expect.stringMatching(
        /partial: 1 target of 2 not holding generation 2 \(a\), which was issued [\d.]+ s ago.* target a: .*\[deploy\.io\]/,
      ),
    });
    await edge("a").unblock("partial");
    expect(await stages.reaches("partial", "succeeded")).toMatchObject({ reason: "drift", generation: 2 });
    await expectServed("partial", 2, ["a", "b"]);
    expect((await deploys("partial")).filter((target) => target === "b")).toHaveLength(2);
  });
});

/** When the endpoints of a certificate were last dialled between renewals. */
async function lookedAt(certificate: string): Promise<number> {
  return Math.max(
    0,
    ...(await stages.system.store.observations.statuses(certificate)).map(({ roundEndedAt }) => roundEndedAt ?? 0),
  );
}
