import { afterAll, beforeAll, expect, it } from "vitest";
import { type Edge, nameOf, startEdge } from "../support/servers/edge.ts";
import { type RenewdProcess, renewd, startRenewd } from "../support/system/renewd.ts";
import { type System, startSystem, type WorkerRole } from "../support/system/system.ts";
import { until } from "../support/until.ts";

/** A secret that machines have which issue, and no other. */
const ISSUERS_SECRET = { RENEWD_TEST_EAB: Buffer.from("an external account's key").toString("base64url") };

const parts = new AsyncDisposableStack();
let owned: Edge;
let open: Edge;
let system: System;
let agent: RenewdProcess;
beforeAll(async () => {
  owned = parts.use(await startEdge("owned"));
  open = parts.use(await startEdge("open"));
  const targets = { owned: { ...owned.target, agent: true }, open: open.target };
  const www = {
    names: [nameOf("www")],
    targets: ["owned", "open"],
    endpoints: [owned.endpoint("www"), open.endpoint("www")],
  };
  const pebble = { externalAccountKeys: { tenant: ISSUERS_SECRET.RENEWD_TEST_EAB } };
  system = parts.use(await startSystem({ pebble, targets, certificates: { www } }));
  const externalAccount = { keyId: "tenant", hmacKey: "env:RENEWD_TEST_EAB" };
  await system.configure({
    sections: {
      issuers: { ca: { directory: system.ca.directory, trust: "ca.pem", termsOfServiceAgreed: true, externalAccount } },
    },
  });
}, 120_000);
afterAll(() => parts.disposeAsync());

function start(role: WorkerRole, env: Readonly<Record<string, string>>): RenewdProcess {
  return parts.use(
    startRenewd(["--config", system.configFile, ...(role === "planner" ? ["--yes"] : [])], env, `workers/${role}.ts`),
  );
}

async function deployedBy(): Promise<Record<string, string>> {
  const events = await system.store.events.list({ certificate: "www", types: ["deploy.started"], limit: 100 });
  return Object.fromEntries(events.map(({ target, worker }) => [target, worker.split("/").at(-1)]));
}

it("a target with an agent is left alone by ordinary deployers; its agent deploys there, without the secrets of those that issue", async () => {
  const deployer = start("deployer", {});
  for (const role of ["planner", "acme"] as const) start(role, ISSUERS_SECRET);
  start("verifier", {});
  await until("the pair at the open target", () => open.file("www"));
  await until("the owned one's queue", async () =>
    (await system.redis.command("KEYS", "*deploy.owned*")) === "" ? null : true,
  );
  // The ordinary deployer has had its turn at everything by the time that verifying has begun.
  await system.event("verify.converged", "www");
  expect(await owned.file("www")).toBeNull();
  expect(await deployedBy()).toEqual({ open: String(deployer.pid) });
  expect(await system.store.renewals.active("www")).toMatchObject({ errorCode: null });

  agent = parts.use(startRenewd(["--config", system.configFile, "worker", "deployer", "--targets", "owned"], {}));
  expect(await system.ended("www")).toMatchObject({ state: "succeeded", generation: 1 });
  expect(await deployedBy()).toEqual({ open: String(deployer.pid), owned: String(agent.pid) });
  expect(await owned.serves("www")).toBe(await open.serves("www"));
});

it("work for an agent that died waits in the database: Redis may lose its queue, and its next start does it", async () => {
  agent.kill("SIGKILL");
  await agent.exited;
  await owned.overwrite("www", { certPem: "", keyPem: "" });
  expect(await renewd(["-c", system.configFile, "deploy", "www", "--target", "owned"], ISSUERS_SECRET)).toMatchObject({
    code: 0,
  });
  await system.redis.flushall();
  agent = parts.use(startRenewd(["--config", system.configFile, "--targets", "owned"], {}, "workers/deployer.ts"));
  expect(await system.ended("www")).toMatchObject({ state: "succeeded", generation: 1 });
  expect(await deployedBy()).toMatchObject({ owned: String(agent.pid) });
  expect(await owned.serves("www")).toBe(await open.serves("www"));
});

it.each([
  [
    "a target that does not exist",
    ["deployer", "--targets", "owned,ownd"],
    /^.*--targets: "ownd" is not defined under `targets` in .*renewd\.yaml; there are: owned, open/,
  ],
  [
    "a target without an agent",
    ["deployer", "--targets", "open"],
    /^.*--targets: target "open" has no agent of its own; set `targets\.open\.agent: true`/,
  ],
  ["nothing", ["deployer", "--targets", ""], /^.*--targets: "" is not defined/],
  ["another role", ["verifier", "--targets", "owned"], /^.*--targets: only a deployer deploys to targets/],
])("an agent for %s is refused with one message and exit code 2", async (_what, args, message) => {
  const { code, stderr, stdout } = await renewd(["-c", system.configFile, "worker", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain("RENEWD_TEST_EAB");
  expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(2);
});
