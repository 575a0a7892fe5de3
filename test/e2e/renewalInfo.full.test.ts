import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAMES = ["one", "two", "three"];
const EXPLANATION = "https://ca.example/incident-42";

it("replaces what the CA moves into the past, as replacements exempt from its limits, and leaves the rest alone", {
  timeout: 120_000,
}, async () => {
  await using haproxy = await startHaproxy();
  const files = await mkdtemp(join(tmpdir(), "renewd-ari-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(files, { recursive: true, force: true }));
  const endpoint = (name: string) => ({ host: "127.0.0.1", port: haproxy.port, sni: `${name}.example.org` });
  await using system = await startSystem({
    pebble: { version: "2.10" },
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: Object.fromEntries(
      NAMES.map((name) => [name, { names: [`${name}.example.org`], targets: ["lb"], endpoints: [endpoint(name)] }]),
    ),
  });
  const { store, pebble, ca } = system;
  // One order for each set of names is all there is: a second one is to be had only as an exempt replacement.
  const limits = { certificatesPerExactSet: { max: 1, per: "7d" } };
  await system.configure({
    sections: { issuers: { ca: { directory: ca.directory, trust: "ca.pem", termsOfServiceAgreed: true, limits } } },
  });
  await system.workers();
  for (const name of NAMES)
    expect(await system.ended(name, 60_000)).toMatchObject({ state: "succeeded", generation: 1 });
  for (const name of NAMES) await system.event("renewalInfo.suggested", name);

  const moved = JSON.stringify({
    suggestedWindow: { start: "2026-01-01T00:00:00Z", end: "2026-01-02T00:00:00Z" },
    explanationURL: EXPLANATION,
  });
  for (const name of ["one", "two"]) {
    await pebble.setRenewalInfo((await store.versions.latest(name))?.leafPem ?? "", moved);
    // The CA asked to be polled in hours; the test does not wait for that.
    await store.renewalInfos.update(name, 1, { nextPollAt: 0 });
  }
  for (const name of ["one", "two"]) {
    await until(
      `generation 2 of ${name}`,
      async () => ((await store.versions.latest(name))?.generation === 2 ? true : null),
      60_000,
    );
    const renewal = await system.ended(name, 60_000);
    expect(renewal).toMatchObject({
      state: "succeeded",
      generation: 2,
      reason: "renewalInfo",
      reasonDetail: expect.stringContaining(EXPLANATION),
    });
    const [order] = await store.events.list({ renewalId: renewal.id, types: ["order.created"], limit: 1 });
    expect(order?.detail).toHaveProperty("replaces");
  }
  expect(await store.versions.list("three")).toHaveLength(1);
  expect(
    ca.requests.filter(
      ({ resource, payload }) => resource === "newOrder" && JSON.stringify(payload).includes("replaces"),
    ).length,
  ).toBeGreaterThanOrEqual(2);
});
