// Fault 39: ten targets of one certificate, three of them down.
import { expect, it } from "vitest";
import { nameOf } from "../support/servers/edge.ts";
import { startStages } from "../support/system/stages.ts";
import { until } from "../support/until.ts";

const EDGES = Array.from({ length: 10 }, (_, index) => `edge-${index}`);
const DOWN = ["edge-2", "edge-5", "edge-7"];
const UP = EDGES.filter((name) => !DOWN.includes(name));

it("ten targets, three down: seven are verified, three are named and tried again until they have it, and nobody re-issues", {
  timeout: 150_000,
}, async () => {
  await using stages = await startStages({ edges: EDGES, certificates: () => ({}) });
  const { system, edge, run } = stages;
  const endpoints = EDGES.map((name) => edge(name).endpoint("www"));
  await stages.reconfigure({
    certificates: { www: { names: [nameOf("www")], targets: EDGES, endpoints, verifyTimeout: "5s" } },
  });
  await system.workers();
  await stages.reaches("www", "succeeded");
  const old = (await stages.version("www", 1)).leaf.fingerprint;
  for (const name of DOWN) await edge(name).block("www");

  expect(await stages.ended(await stages.force("www"))).toMatchObject({
    state: "failed",
    errorCode: "deploy.io",
    errorMessage: expect.stringMatching(/^7 of 10 targets deployed; target edge-2: /),
  });
  const fresh = (await stages.version("www", 2)).leaf.fingerprint;
  for (const name of UP) expect(await edge(name).serves("www"), name).toBe(fresh);
  for (const name of DOWN) expect(await edge(name).serves("www"), name).toBe(old);
  const proved = new Set(
    (await system.store.observations.statuses("www"))
      .filter((status) => status.proved && status.generation === 2)
      .map(({ endpoint }) => endpoint),
  );
  expect(proved.size).toBe(UP.length);
  const text = await until("status to say partial", async () => {
    const { stdout } = await run("status");
    return stdout.includes("partial: ") ? stdout.replaceAll(/\s+/g, " ") : null;
  });
  expect(text).toMatch(/partial: 3 targets of 10 not holding generation 2 \(edge-2, edge-5, edge-7\)/);

  const orders = system.orders();
  for (const name of DOWN) await edge(name).unblock("www");
  expect(await stages.reaches("www", "succeeded")).toMatchObject({ reason: "drift", generation: 2 });
  for (const name of EDGES) expect(await edge(name).serves("www"), name).toBe(fresh);
  expect(system.orders()).toBe(orders);
  expect(orders).toBe(2);
  // Nobody deploys again what the seven hold already.
  const deployed = (await stages.events("www", "deploy.succeeded"))
    .filter(({ detail }) => detail.generation === 2)
    .map(({ target }) => target);
  expect(deployed.toSorted()).toEqual(EDGES.toSorted());
});
