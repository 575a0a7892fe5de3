import { expect, it } from "vitest";
import { runCaptured } from "../support/system/installation.ts";
import { oneProcess } from "../support/system/oneProcess.ts";
import { startSystem } from "../support/system/system.ts";

it("a revoked certificate is recorded as such, shown, and replaced by one with a new key", {
  timeout: 60_000,
}, async () => {
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: { www: { names: ["www.example.org"], targets: ["web"], endpoints: ["www.example.org"] } },
  });
  await using process = await oneProcess(system);
  const { store } = system;
  const first = await process.issued("www", 1);
  const active = await store.renewals.active("www");
  // It cannot be deployed in this test; the next renewal needs the first to have ended.
  expect(
    active &&
      (await store.renewals.update(active.id, active.fence, {
        state: "succeeded",
        finishedAt: Date.now(),
        nextActionAt: null,
      })),
  ).toBe(true);
  const run = (...args: string[]) => runCaptured(["-c", system.configFile, ...args]);

  expect(await run("revoke", "www", "--reason", "hacked", "--yes")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("keyCompromise"),
  });
  expect(await run("revoke", "nothing", "--reason", "superseded", "--yes")).toMatchObject({ code: 2 });
  const unasked = await run("revoke", "www", "--reason", "keyCompromise");
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
  expect((await store.versions.get("www", 1))?.revokedAt).toBeNull();

  // No planner answers: the revocation stands all the same.
  const { stdout, stderr } = await run("revoke", first.leaf.serial, "--reason", "keyCompromise", "--yes", "--json");
  expect(stderr).toContain("www generation 1 is revoked");
  expect(JSON.parse(stdout)).toMatchObject({
    certificate: "www",
    generation: 1,
    serial: first.leaf.serial,
    reason: "keyCompromise",
  });
  expect((await store.versions.get("www", 1))?.revokedAt).toBeGreaterThan(0);
  const [event] = await store.events.list({ types: ["version.revoked"], limit: 5 });
  expect(event).toMatchObject({ certificate: "www", detail: { reason: "keyCompromise", key: "account" } });
  expect((await run("status")).stdout).toContain("was revoked");

  const second = await process.issued("www", 2);
  expect(await store.renewals.active("www")).toMatchObject({ reason: "revoked" });
  const keys = await Promise.all(
    [1, 2].map(async (generation) => (await store.versions.privateKey("www", generation)).reveal()),
  );
  expect(keys[0]).not.toBe(keys[1]);
  expect(second.revokedAt).toBeNull();
});
