import { describe, expect, it } from "vitest";
import type { EventType } from "../../src/domain/event.ts";
import { startNginx } from "../support/nginx.ts";
import { createRoot } from "../support/pki.ts";
import { startSystem, WORKER_ROLES, type WorkerRole } from "../support/system.ts";

const NAME = "www.example.org";

describe("killing a worker process in the middle of a renewal", () => {
  it.each<[string, EventType, WorkerRole]>([
    ["the order is opened", "order.created", "acme"],
    ["the challenge is answered", "challenge.presented", "acme"],
    ["the order is finalized", "order.finalized", "acme"],
    ["the renewal is planned", "renewal.planned", "planner"],
    ["deploying has begun", "deploy.started", "deployer"],
    ["verifying has begun", "verify.started", "verifier"],
  ])("when %s loses nothing and costs no second order", { timeout: 120_000 }, async (_when, type, role) => {
    const old = await (await createRoot()).issue({ names: [NAME] });
    await using nginx = await startNginx({ certificates: { www: { serverNames: [NAME], ...old } } });
    await using system = await startSystem({
      targets: {
        web: {
          type: "nginx",
          fullchain: `${nginx.directory}/{certificate}/fullchain.pem`,
          privkey: `${nginx.directory}/{certificate}/privkey.pem`,
          configFile: nginx.configFile,
          prefix: nginx.prefix,
        },
      },
      certificates: { www: { names: [NAME], targets: ["web"], endpoints: [{ host: "127.0.0.1", port: nginx.port, sni: NAME }] } },
    });
    const survivors = WORKER_ROLES.filter((other) => other !== role).map((other) => system.worker(other));
    await Promise.all(survivors.map((worker) => worker.logged("renewd is running")));
    const victim = system.worker(role);
    await system.event(type, "www");
    victim.kill("SIGKILL");
    await victim.exited;
    system.worker(role);

    expect(await system.ended("www", 60_000)).toMatchObject({ state: "succeeded", generation: 1 });
    expect(system.orders()).toBe(1);
    expect(await system.store.versions.list("www")).toHaveLength(1);
  });
});
