// A machine whose clock is 40 days ahead: what it leaves behind must not outlast the mending of its clock.
import { expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Notification } from "../../../src/domain/notification.ts";
import { deliverNotifications } from "../../../src/renewal/watch/notify.ts";
import { DAY_MS } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const LEASE_MS = 9_000;
const SOON_MS = 60_000;

it("a deployer and a verifier whose clock is wrong take nothing", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work("deploy");
  for (const kind of ["deploy", "verify"] as const) {
    const [job] = bench.jobs;
    expect(job?.kind).toBe(kind);
    const rows = async () => [
      await bench.renewal("www"),
      await bench.store.deployments.list("www"),
      await bench.store.events.list({ limit: 100 }),
    ];
    const before = await rows();
    bench.skewed = true;
    bench.now += 40 * DAY_MS;
    await expect(job && bench.run(job)).rejects.toMatchObject({ code: "clock.skewed" });
    bench.now -= 40 * DAY_MS;
    bench.skewed = false;
    expect(await rows(), "no instant of the wrong clock was written").toEqual(before);
    if (kind === "deploy") await bench.work("verify");
  }
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded" });
});

it("a lease that a wrong clock took on a deployment holds nobody up", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work("deploy");
  await bench.store.deployments.claim("www", "a", bench.now + 40 * DAY_MS, LEASE_MS);
  await bench.pass(SOON_MS);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded" });
});

it.each(["issue", "verify"] as const)("a lease that a wrong clock took to %s holds nobody up", async (kind) => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  await bench.work(kind);
  await bench.store.renewals.claim((await bench.renewal("www")).id, bench.now + 40 * DAY_MS, LEASE_MS);
  bench.jobs.length = 0;
  await bench.pass(SOON_MS);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded" });
});

it("a planner with a wrong clock applies no configuration: a new certificate is planned once the clock is right", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  bench.skewed = true;
  bench.now += 40 * DAY_MS;
  await expect(bench.begin()).rejects.toMatchObject({ code: "clock.skewed" });
  bench.now -= 40 * DAY_MS;
  expect(await bench.store.certificates.list()).toEqual([]);
  expect(await bench.store.events.list({ limit: 10 })).toEqual([]);
  bench.skewed = false;
  await bench.begin();
  expect(await bench.renewal("www")).toMatchObject({ reason: "missing", state: "planned" });
});

it.each(["notify.failed", "notify.refused"] as const)(
  "a channel that says %s to a clock that is wrong is told everything once it is mended",
  async (code) => {
    await using bench = await Workbench.open([]);
    const told: Notification["event"][] = [];
    const send = async ({ event }: Notification): Promise<void> => {
      if (bench.skewed) throw new RenewalError(code, "certificate has expired");
      told.push(event);
    };
    bench.channels.set("pager", { from: "info", keepsAlerts: false, send });
    const happens = (type: "store.restored" | "renewal.succeeded", detail = {}) =>
      bench.store.events.append({ at: bench.now, type, certificate: null, renewalId: null, target: null, detail });
    await deliverNotifications(bench.context, NO_SIGNAL);
    await happens("store.restored");
    bench.skewed = true;
    bench.now += 40 * DAY_MS;
    await happens("renewal.succeeded", { generation: 2 });
    await deliverNotifications(bench.context, NO_SIGNAL);
    bench.now -= 40 * DAY_MS;
    bench.skewed = false;
    expect(told).toEqual([]);
    await deliverNotifications(bench.context, NO_SIGNAL);
    expect(told).toEqual(["store.restored", "renewal.succeeded"]);
  },
);
