import { expect, it } from "vitest";
import { stopAtCa } from "../support/ca/stopAtCa.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { renewd, startRenewd } from "../support/system/renewd.ts";
import { startSystem } from "../support/system/system.ts";

const NAME = "solo.example.org";

it("renewd run needs nothing but its file: killed in the middle of an order and started again it finishes that order", {
  timeout: 120_000,
}, async () => {
  await using haproxy = await startHaproxy();
  await using system = await startSystem({
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: {
      solo: { names: [NAME], targets: ["lb"], endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }] },
    },
    // Without a Redis in the configuration it brings its own.
    sections: { redis: undefined },
  });
  // renewd dies waiting for this answer: before the CA is told to look, as it would find no responder.
  const { reached, release } = stopAtCa(system, ({ path }) => path.includes("/chalZ/"), "asked");
  const args = ["run", "--yes", "--config", system.configFile];
  const first = startRenewd(args);
  await reached;
  first.kill("SIGKILL");
  await first.exited;
  release();

  await using second = startRenewd(args);
  expect(await second.logged("private Redis started")).toContain('"adopted":true');
  expect(await system.ended("solo", 60_000)).toMatchObject({ state: "succeeded", generation: 1 });
  expect(system.orders()).toBe(1);

  const status = await renewd(["status", "--config", system.configFile]);
  expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining("1 proved live") });
  const asked = await renewd(["renew", "solo", "--force", "--wait", "--json", "--config", system.configFile]);
  expect(asked.code, asked.stderr).toBe(0);
  expect(JSON.parse(asked.stdout)).toMatchObject({ version: 1 });
  const history = await renewd(["history", "--json", "--config", system.configFile]);
  expect(JSON.parse(history.stdout)).toMatchObject({
    version: 1,
    renewals: [
      { certificate: "solo", trigger: "request" },
      { certificate: "solo", trigger: "planner" },
    ],
  });
  expect(await second.stop()).toBe(0);
});

it("says in one message what is wrong with its configuration, and exits 2", async () => {
  await using system = await startSystem({ targets: {}, certificates: {} });
  await system.configure({ sections: { plannner: { tick: "1s" }, http01: { prot: 80 } } });
  const { code, stderr, stdout } = await renewd(["run", "--config", system.configFile]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/renewd\.yaml:\d+:\d+: .*plannner.*planner/);
  expect(stderr).toMatch(/renewd\.yaml:\d+:\d+: .*prot.*port/);
});
