import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { servedFingerprint } from "../support/servers/served.ts";
import { renewd, startRenewd } from "../support/system/renewd.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAMES = ["one", "two", "three", "four", "five", "six"] as const;
/** Since a deployment began. Where the kernel shows who answers, what is killed looks at some just then. */
const KILLED_AFTER_MS = [0, 60, 200];

it("renewd run, killed among deployments that it proves itself, issues no generation twice and proves only what is served", {
  timeout: 600_000,
}, async () => {
  await using haproxy = await startHaproxy();
  const names = (name: string) => `${name}.example.org`;
  await using system = await startSystem({
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: Object.fromEntries(
      NAMES.map((name) => {
        const endpoint = { host: "127.0.0.1", port: haproxy.port, sni: names(name) };
        return [name, { names: [names(name)], targets: ["lb"], endpoints: [endpoint] }];
      }),
    ),
    sections: { redis: undefined },
  });
  const { store, ca, configFile } = system;
  const args = ["--config", configFile];
  const begun = async () => (await store.events.list({ types: ["deploy.started"], limit: 1_000 })).length;
  for (const ms of KILLED_AFTER_MS) {
    const before = await begun();
    const running = startRenewd(["run", "--yes", ...args]);
    await running.logged("renewd is running");
    if (before > 0) await renewd(["renew", ...NAMES, "--force", ...args]);
    await until("a deployment", async () => ((await begun()) > before ? true : null), 120_000);
    await delay(ms);
    running.kill("SIGKILL");
    await running.exited;
  }
  await using last = startRenewd(["run", "--yes", ...args]);
  await last.logged("renewd is running");
  let issued = 0;
  for (const name of NAMES) {
    expect(await system.ended(name, 120_000)).toMatchObject({ state: "succeeded" });
    const versions = await store.versions.list(name);
    const newest = versions.find(({ generation }) => generation === versions.length);
    expect(newest?.verifiedAt).not.toBeNull();
    expect(await servedFingerprint(haproxy.port, names(name))).toBe(newest?.leaf.fingerprint);
    const proofs = await store.events.list({ certificate: name, types: ["verify.converged"], limit: 100 });
    expect(new Set(proofs.map(({ detail }) => detail.generation))).toHaveLength(proofs.length);
    issued += versions.length;
  }
  const finalized = ca.requests.filter(({ path }) => path.includes("/finalize-order/")).map(({ path }) => path);
  expect(new Set(finalized)).toHaveLength(issued);
  expect(await renewd(["audit", "verify", ...args])).toMatchObject({ code: 0 });
});
