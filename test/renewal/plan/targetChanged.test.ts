// A reload deploys again only to the targets whose own definition changed, in waves and within freezes.
import { expect, it } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { redeploy } from "../../../src/renewal/operator/redeploy.ts";
import { retryNow } from "../../../src/renewal/operator/retry.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { reconcile } from "../../../src/renewal/steps/reconcile.ts";
import { NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";
import { createInstallation } from "../../support/system/installation.ts";

const DAY_MS = 86_400_000;

interface Written {
  readonly contact: string[];
  readonly directoryOfB: string;
  readonly agentOfB: boolean;
  readonly verifyTimeout: string;
  readonly atFractionLeft: number;
  readonly limits: object;
  readonly freeze: boolean;
  readonly waves: boolean;
}

const BEFORE: Written = {
  contact: ["ops@example.org"],
  directoryOfB: "/srv/b",
  agentOfB: false,
  verifyTimeout: "60s",
  atFractionLeft: 0.3,
  limits: { ordersPerAccount: { max: 300, per: "3h" } },
  freeze: false,
  waves: false,
};

function textOf(written: Written): string {
  return JSON.stringify({
    version: 1,
    redis: { url: "redis://127.0.0.1:1" },
    issuers: {
      ca: {
        directory: "https://127.0.0.1:1/directory",
        termsOfServiceAgreed: true,
        contact: written.contact,
        limits: written.limits,
      },
    },
    solvers: { http: { type: "http-01" } },
    targets: {
      a: { type: "files", directory: "/srv/a", bundle: "{certificate}.pem" },
      b: {
        type: "files",
        directory: written.directoryOfB,
        bundle: "{certificate}.pem",
        ...(written.agentOfB && { agent: true }),
      },
    },
    defaults: {
      issuer: "ca",
      solver: "http",
      ...(written.waves ? { waves: [{ targets: ["a"] }, { targets: ["b"] }] } : { targets: ["a", "b"] }),
      verifyTimeout: written.verifyTimeout,
      renewal: { atFractionLeft: written.atFractionLeft },
      ...(written.freeze && {
        maintenance: { freezes: [{ from: "2026-01-01", until: "2026-01-05", reason: "holidays" }] },
      }),
    },
    certificates: Object.fromEntries(["www", "api"].map((name) => [name, certificateOf(`${name}.example.org`)])),
  });
}

function certificateOf(name: string): object {
  return { names: [name], endpoints: [{ host: "192.0.2.1", port: 443, sni: name }] };
}

/** Through the loader that a reload uses. */
async function load(written: Partial<Written>): Promise<readonly Certificate[]> {
  await using installation = await createInstallation(textOf({ ...BEFORE, ...written }), { planned: false });
  // The model's targets hold one certificate each: nothing is dialled.
  return installation.certificates.map((certificate) => ({ ...certificate, endpoints: [] }));
}

/** Both certificates are live at both targets. */
async function open(written: Partial<Written> = {}): Promise<Workbench> {
  const bench = await Workbench.open(await load(written));
  await bench.begin();
  await bench.work();
  expect(await deploys(bench)).toEqual(["api a", "api b", "www a", "www b"]);
  return bench;
}

/** Every deployment so far, in alphabetical order. */
async function deploys(bench: Workbench): Promise<string[]> {
  const events = await bench.store.events.list({ types: ["deploy.succeeded"], limit: 100 });
  return events.map(({ certificate, target }) => `${certificate} ${target}`).sort();
}

async function reload(bench: Workbench, written: Partial<Written>): Promise<void> {
  bench.now += 1_000;
  bench.certificates = await load(written);
  await configure(bench.context, NO_SIGNAL);
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
}

it.each<[string, Partial<Written>]>([
  ["the issuer's contact", { contact: ["other@example.org"] }],
  ["the issuer's limits", { limits: { ordersPerAccount: { max: 10, per: "1h" } } }],
  ["verifyTimeout", { verifyTimeout: "90s" }],
  ["renewal", { atFractionLeft: 0.4 }],
  ["who deploys to a target", { agentOfB: true }],
])("a change of %s deploys nothing", async (_, change) => {
  await using bench = await open();
  const digests = new Map(bench.certificates.map(({ name, digest }) => [name, digest]));
  await reload(bench, change);
  expect(bench.certificates.every(({ name, digest }) => digest !== digests.get(name))).toBe(true);
  expect(await deploys(bench)).toHaveLength(4);
  expect(await bench.store.renewals.list({ limit: 10 })).toHaveLength(2);
});

it("a target's own definition deploys to it alone, with the pair that exists", async () => {
  await using bench = await open();
  await reload(bench, { directoryOfB: "/srv/moved" });
  expect(await deploys(bench)).toEqual(["api a", "api b", "api b", "www a", "www b", "www b"]);
  expect(await bench.renewal("www")).toMatchObject({ reason: "targetChanged", state: "succeeded", generation: 1 });
  await reload(bench, { directoryOfB: "/srv/moved", verifyTimeout: "90s" });
  expect(await deploys(bench)).toHaveLength(6);
});

it("lets a target leave out its reload; drift, a redeploy by hand and a second attempt do not", async () => {
  await using bench = await open();
  const b = bench.target("b");
  expect(b.lastOnlyIfChanged, "a new pair").toBe(false);
  await reload(bench, { directoryOfB: "/srv/moved" });
  expect(b.lastOnlyIfChanged, "only the definition changed").toBe(true);

  bench.now += 1_000;
  await bench.store.deployments.forget("www", "b");
  await bench.store.certificates.update("www", { nextCheckAt: bench.now });
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ reason: "drift", state: "succeeded" });
  expect(b.lastOnlyIfChanged, "drift").toBe(false);

  await reload(bench, { directoryOfB: "/srv/second" });
  expect(b.lastOnlyIfChanged).toBe(true);
  bench.now += 1_000;
  await redeploy(bench.context, { certificate: "www", targets: ["b"], generation: null, by: null });
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ reason: "redeploy", state: "succeeded" });
  expect(b.lastOnlyIfChanged, "by hand").toBe(false);

  let attempts = 0;
  b.onDeploy = async () => {
    attempts += 1;
    if (attempts <= 2) throw new RenewalError("deploy.unreachable", "the server does not answer");
  };
  await reload(bench, { directoryOfB: "/srv/third" });
  expect([attempts, b.lastOnlyIfChanged]).toEqual([2, true]);
  await bench.pass(600_000);
  expect(await bench.renewal("www")).toMatchObject({ reason: "targetChanged", state: "succeeded" });
  expect(attempts).toBe(4);
  expect(b.lastOnlyIfChanged, "after a failed attempt").toBe(false);
});

it.each(["interrupted", "failed"])(
  "an attempt that is %s leaves no trust behind: the next one reloads",
  async (end) => {
    await using bench = await open();
    const stop = new AbortController();
    const b = bench.target("b");
    b.onDeploy = async () => {
      b.onDeploy = async () => {};
      // It has replaced the files by now, and did not reload.
      if (end === "failed") throw new RenewalError("deploy.commandFailed", "nginx -s reload ended with exit code 1");
      stop.abort();
      stop.signal.throwIfAborted();
    };
    bench.now += 1_000;
    bench.certificates = (await load({ directoryOfB: "/srv/moved" })).filter(({ name }) => name === "www");
    await configure(bench.context, NO_SIGNAL);
    await planDue(bench.context, NO_SIGNAL);
    for (const job of bench.jobs.splice(0)) {
      if (job.kind !== "deploy") throw new Error(`a job to ${job.kind}`);
      await deploy(bench.context, job.renewalId, job.target, stop.signal).catch(() => {});
    }
    // A person's word clears what failed.
    await retryNow(bench.context, { of: "www", why: "fixed", by: null });
    bench.now += 60_000;
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ reason: "targetChanged", state: "succeeded" });
    expect(b.lastOnlyIfChanged).toBe(false);
    expect(await bench.store.deployments.get("www", "b")).toMatchObject({ attempts: end === "failed" ? 1 : 0 });
  },
);

it("waits for the end of a freeze, while drift does not", async () => {
  await using bench = await open();
  await reload(bench, { directoryOfB: "/srv/moved", freeze: true });
  expect(await deploys(bench)).toHaveLength(4);
  bench.now += 1_000;
  await bench.store.deployments.forget("www", "a");
  await bench.store.certificates.update("www", { nextCheckAt: bench.now });
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ reason: "drift", state: "succeeded" });
  expect(await deploys(bench)).toEqual(["api a", "api b", "www a", "www a", "www b"]);

  bench.now += 5 * DAY_MS;
  for (const name of ["www", "api"]) await bench.store.certificates.update(name, { nextCheckAt: bench.now });
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ reason: "targetChanged", state: "succeeded" });
  expect(await bench.renewal("api")).toMatchObject({ reason: "targetChanged", state: "succeeded" });
});

it("goes in waves: a failed wave holds, and the targets behind it are not touched", async () => {
  await using bench = await open({ waves: true });
  bench.now += 1_000;
  bench.certificates = (await load({ waves: true })).map((each) => ({
    ...each,
    digest: `${each.digest} changed`,
    targetDigests: { a: "changed", b: "changed" },
  }));
  await configure(bench.context, NO_SIGNAL);
  await planDue(bench.context, NO_SIGNAL);
  // The first wave's target refuses what it is given.
  for (const { id, certificate } of await bench.store.renewals.list({ states: ["planned", "deploying"], limit: 10 })) {
    const { fence } = (await bench.store.deployments.get(certificate, "a")) ?? expect.unreachable();
    const failed = { exhausted: true, attempts: 4, errorCode: "deploy.refused", errorMessage: "no" };
    await bench.store.deployments.update(certificate, "a", fence, failed);
    bench.jobs.length = 0;
    await reconcile(bench.context, id);
  }
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ reason: "targetChanged", state: "held" });
  expect(await deploys(bench)).toHaveLength(4);
});

it("a request by hand does not wait for the freeze", async () => {
  await using bench = await open();
  await reload(bench, { directoryOfB: "/srv/moved", freeze: true });
  await requestRenewal(bench.context, { certificate: "www", force: false, reason: null, requestedBy: null });
  await bench.work();
  expect(await deploys(bench)).toEqual(["api a", "api b", "www a", "www b", "www b"]);
});

it("deployments of an earlier release keep their pair at the first start, and later changes are found", async () => {
  await using bench = await open();
  for (const { certificate, target, fence } of await bench.store.deployments.listAll())
    await bench.store.deployments.update(certificate, target, fence, { targetDigest: null });
  await reload(bench, {});
  expect(await deploys(bench)).toHaveLength(4);
  await reload(bench, { directoryOfB: "/srv/moved" });
  expect(await deploys(bench)).toEqual(["api a", "api b", "api b", "www a", "www b", "www b"]);
});
