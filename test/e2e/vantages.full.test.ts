// Two networks with split-horizon DNS must agree before a renewal is proved.
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { certificatesReport } from "../../src/reports/certificates.ts";
import { statusReport } from "../../src/reports/status.ts";
import { runInside, type SplitNetworks, splitNetworks } from "../support/network/networks.ts";
import { nameOf } from "../support/servers/edge.ts";
import { type RenewdProcess, renewd, startRenewd } from "../support/system/renewd.ts";
import { type System, startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const HOST = "lb.split.test";
const KEY = `${nameOf("www")}@${HOST}:443`;

const parts = new AsyncDisposableStack();
let system: System;
let networks: SplitNetworks;
let directory: string;

beforeAll(async () => {
  networks = parts.use(await splitNetworks(HOST));
  const www = {
    names: [nameOf("www")],
    targets: ["lb"],
    verifyTimeout: "1s",
    endpoints: [{ host: HOST, sni: nameOf("www") }],
  };
  directory = await mkdtemp(join(tmpdir(), "renewd-lb-"));
  parts.defer(() => rm(directory, { recursive: true, force: true }));
  system = parts.use(
    await startSystem({
      redis: { listen: "unix" },
      targets: { lb: { type: "files", directory, bundle: "pair.pem" } },
      certificates: { www },
      sections: { vantages: ["office", "internet"], verification: { connections: 2, spread: "50ms" } },
    }),
  );
  const child = fileURLToPath(new URL("./vantages.child.ts", import.meta.url));
  for (const [name, network] of [["office", networks.office] as const, ["internet", networks.internet] as const]) {
    const files = [join(directory, "pair.pem"), join(directory, `${name}.pem`)];
    await runInside(parts, network, [process.execPath, child, network.address, ...files], "listening");
  }
}, 60_000);
afterAll(() => parts.disposeAsync());

function verifier(vantage: "office" | "internet"): RenewdProcess {
  const args = ["--config", system.configFile, "--vantage", vantage];
  return parts.use(startRenewd(args, {}, "workers/verifier.ts", networks[vantage].inside));
}

async function report() {
  const { certificates } = system.app.config;
  return certificatesReport(system.store, certificates, Date.now());
}

it("is proved by both networks, not without a silent one, and a difference says who sees what", async () => {
  for (const role of ["planner", "acme", "deployer"] as const) system.worker(role);
  verifier("internet");
  // The internet has proved it, the office has nobody to look: that is no success.
  await system.event("verify.converged", "www");
  expect(await system.store.renewals.active("www")).toMatchObject({ state: "verifying" });
  const { notices } = await statusReport(system.store, system.app.config.certificates, Date.now());
  expect(notices.map(({ id }) => id)).toContain("role/verifier/office");
  verifier("office");
  expect(await system.ended("www")).toMatchObject({ state: "succeeded", generation: 1 });
  const proofs = await system.store.events.list({ certificate: "www", types: ["verify.converged"], limit: 9 });
  expect(proofs.map(({ detail }) => detail.endpoint)).toEqual([`${KEY} from internet`, `${KEY} from office`]);
  const seen = await system.store.observations.observations("www");
  expect(seen.map(({ endpoint, observation }) => [endpoint, observation.address])).toEqual([
    [`${KEY} from internet`, networks.internet.address],
    [`${KEY} from office`, networks.office.address],
  ]);

  // The office's balancer keeps the first pair.
  await copyFile(join(directory, "pair.pem"), join(directory, "office.pem"));
  const renewed = await renewd(["-c", system.configFile, "renew", "www", "--force", "--wait"]);
  expect(renewed.code).not.toBe(0);
  const difference = "office sees generation 1, internet sees generation 2";
  expect((await system.event("verify.vantagesDiffer", "www")).detail).toEqual({ endpoint: KEY, difference });
  // The planner deploys again meanwhile: a network that has yet to look again is no difference.
  await until("the difference in the report", async () =>
    (await report()).certificates[0]?.vantages[0]?.difference === difference ? true : null,
  );
}, 60_000);
