import { expect, it } from "vitest";
import { type Haproxy, startHaproxy } from "../support/servers/haproxy.ts";
import { shifted } from "../support/system/faketime.ts";
import { startRenewd } from "../support/system/renewd.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAME = "time.example.org";
const LATE_NAME = "late.example.org";

function certificateOf({ port }: Haproxy, name: string): object {
  return { names: [name], targets: ["lb"], endpoints: [{ host: "127.0.0.1", port, sni: name }] };
}

it.each([
  ["+40d", "ahead of the CA's"],
  // Far enough off, the CA's own certificate looks expired, or not valid yet.
  ["+100d", "outside its dates"],
  ["-2d", "outside its dates"],
])(
  "a planner and an ACME worker whose clock is %s off plan and order nothing, say why, and leave nothing behind",
  { timeout: 120_000 },
  async (skew, says) => {
    await using haproxy = await startHaproxy();
    await using system = await startSystem({
      targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
      certificates: { time: certificateOf(haproxy, NAME) },
    });
    const { planner, acme, deployer, verifier } = await system.workers();
    expect(await system.ended("time")).toMatchObject({ state: "succeeded" });
    await Promise.all([planner.stop(), acme.stop()]);
    // The verifier, whose clock is right, goes on looking at the endpoint.
    const record = async () => ({ ...(await system.store.certificates.get("time")), nextObservationAt: null });
    const before = await record();

    await system.configure({
      certificates: { time: certificateOf(haproxy, NAME), late: certificateOf(haproxy, LATE_NAME) },
    });
    // By this clock the certificate has long expired, or is not yet valid.
    const args = ["--config", system.configFile];
    await using skewedPlanner = startRenewd(args, shifted(skew), "workers/planner.ts");
    await using skewedAcme = startRenewd(args, shifted(skew), "workers/acme.ts");
    expect(await skewedPlanner.logged("the clock is wrong")).toContain(says);
    const told = await until(
      "the history to tell",
      async () => (await system.store.events.list({ types: ["clock.skewed"], limit: 1 }))[0] ?? null,
    );
    expect(told.detail.message).toContain("this machine's clock");
    await Promise.all([skewedPlanner.stop(), skewedAcme.stop()]);

    expect(await system.store.renewals.list({ certificate: "time", limit: 10 })).toHaveLength(1);
    expect(system.orders()).toBe(1);
    expect(await record(), "no instant of the wrong clock was written").toEqual(before);
    expect(await system.store.certificates.get("late"), "nor for a new certificate").toBeNull();

    for (const process of [deployer, verifier]) process.kill("SIGHUP");
    await Promise.all([deployer, verifier].map((process) => process.logged("configuration reloaded")));
    system.worker("planner");
    system.worker("acme");
    expect(await system.ended("late")).toMatchObject({ state: "succeeded" });
  },
);
