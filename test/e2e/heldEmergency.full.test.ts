import { expect, it } from "vitest";
import { renewalWindow } from "../../src/renewal/rules/window.ts";
import { staged, startStages } from "../support/system/stages.ts";

const LIFETIME_S = 30;

it("a hold does not outlast the pair it keeps in use: in its emergency the renewal goes on past the failed wave", {
  timeout: 120_000,
}, async () => {
  await using stages = await startStages({
    edges: ["canary", "b"],
    pebble: { certificateValidityPeriodSeconds: LIFETIME_S },
    certificates: (edge) => ({
      short: staged(edge, "short", [{ targets: ["canary"] }, { targets: ["b"] }], { renewal: { jitter: 0 } }),
    }),
  });
  const { system, edge } = stages;
  await system.workers();
  const [canary, b] = [edge("canary"), edge("b")];
  await stages.reaches("short", "succeeded");
  const pem = String(await canary.file("short"));
  canary.stuck.set("short", { certPem: pem, keyPem: pem });

  const held = await stages.reaches("short", "held");
  const kept = await stages.version("short", held.generation - 1);
  expect(await b.serves("short")).toBe(kept.leaf.fingerprint);
  const { emergencyAt } = renewalWindow(kept.leaf, { renewAtFractionLeft: null, jitterFraction: 0 });
  expect(Date.now()).toBeLessThan(emergencyAt);

  expect(await stages.ended(held.id)).toMatchObject({
    state: "failed",
    errorMessage: expect.stringContaining("endpoint short.example.org@"),
  });
  const events = await system.store.events.list({ renewalId: held.id, limit: 1_000 });
  const resumed = events.find(({ type }) => type === "renewal.resumed");
  expect(resumed?.detail).toEqual({ why: "the pair it kept in use is revoked or about to expire" });
  expect(resumed?.at).toBeGreaterThanOrEqual(emergencyAt);
  const toB = events.find(({ type, target }) => type === "deploy.succeeded" && target === "b");
  expect(toB?.at).toBeGreaterThanOrEqual(resumed?.at ?? Number.POSITIVE_INFINITY);
  expect(events.filter(({ type, target }) => type === "deploy.started" && target === "b")).toHaveLength(1);
});
