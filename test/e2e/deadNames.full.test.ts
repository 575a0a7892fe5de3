import { expect, it } from "vitest";
import { http01 } from "../../src/solvers/http01.ts";
import { oneProcess } from "../support/system/oneProcess.ts";
import { startSystem } from "../support/system/system.ts";

it("a name whose validation keeps failing is proposed for removal and then left out, and its certificate stays without it", {
  timeout: 90_000,
}, async () => {
  await using system = await startSystem({
    pebble: { env: { PEBBLE_AUTHZREUSE: "0" } },
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: {
      www: {
        names: ["www.example.org", "dead.example.org", "shop.example.org"],
        dropDeadNames: true,
        targets: ["web"],
        endpoints: ["www.example.org", "dead.example.org"],
      },
    },
  });
  await using process = await oneProcess(system);
  const { context, app } = process;
  const { store } = system;
  const solver = http01.create({}, { challenges: store.challenges, now: Date.now });
  // The dead name's server is not ours any more: its challenge is never answered.
  const partly = {
    ...solver,
    present: async (...[challenge, signal]: Parameters<typeof solver.present>) =>
      challenge.identifier.value === "dead.example.org" ? undefined : solver.present(challenge, signal),
  };
  Object.assign(context.services, { solvers: () => [{ name: "http", zones: [], solver: partly }] });

  const version = await process.issued("www", 1);
  expect(version.leaf.identifiers.map(({ value }) => value).sort()).toEqual(["shop.example.org", "www.example.org"]);
  expect(version.droppedNames).toEqual(["dead.example.org"]);
  const events = await store.events.list({
    certificate: "www",
    types: ["challenge.failed", "issue.failed", "issue.namesDropped", "verify.skipped"],
    limit: 20,
  });
  expect(events.map(({ type }) => type)).toEqual([
    ...["challenge.failed", "issue.failed", "challenge.failed", "issue.failed", "challenge.failed", "issue.failed"],
    "issue.namesDropped",
    "verify.skipped",
  ]);
  expect(events[5]?.detail.message).toContain(
    "remove dead.example.org: its validation failed 3 times while 2 others succeeded",
  );
  expect(events.at(-2)?.detail).toEqual({ names: ["dead.example.org"] });
  expect(events.at(-1)?.detail).toMatchObject({ endpoint: "dead.example.org@dead.example.org:443", generation: 1 });
  expect(app.config.certificates[0]?.dropDeadNames).toBe(true);
});
