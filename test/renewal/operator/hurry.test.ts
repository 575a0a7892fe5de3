// A person does not wait for a Retry-After or a back-off: the renewal in flight makes its next attempt now.
import { describe, expect, it } from "vitest";
import type { Renewal } from "../../../src/domain/renewal.ts";
import { pause } from "../../../src/renewal/operator/pause.ts";
import { resumeCertificate, retryNow } from "../../../src/renewal/operator/retry.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { renewal } from "../../support/model/facts.ts";
import { modelCertificate, Workbench } from "../../support/model/workbench.ts";
import { configText, createInstallation } from "../../support/system/installation.ts";

const DAY_MS = 86_400_000;
const FORCE = { certificate: "www", force: true, reason: "the CA is back", requestedBy: "ops@host" };

/** Its order waits for a day, as the CA has asked. */
async function waitingToIssue(): Promise<{ bench: Workbench; renewal: Renewal }> {
  const bench = await Workbench.open([modelCertificate("www")]);
  await bench.begin();
  bench.jobs.length = 0;
  const { id, fence } = await bench.renewal("www");
  const until = bench.now + DAY_MS;
  const wait = { state: "issuing", retryAt: until, nextActionAt: until, errorCode: "acme.rateLimited" } as const;
  await bench.store.renewals.update(id, fence, { ...wait, errorMessage: "later" });
  return { bench, renewal: await bench.renewal("www") };
}

/** Its first target used up its attempts, the second backs off for a day. */
async function waitingToDeploy(): Promise<{ bench: Workbench; renewal: Renewal }> {
  const bench = await Workbench.open([modelCertificate("www", { endpoints: [] })]);
  await bench.begin();
  await bench.work("deploy");
  bench.jobs.length = 0;
  const failed = { errorCode: "deploy.unreachable", errorMessage: "down", attempts: 4 };
  for (const { target, fence } of await bench.store.deployments.list("www")) {
    const patch = target === "a" ? { exhausted: true, nextAttemptAt: null } : { nextAttemptAt: bench.now + DAY_MS };
    await bench.store.deployments.update("www", target, fence, { ...failed, ...patch });
  }
  return { bench, renewal: await bench.renewal("www") };
}

describe("renew --force of a certificate with a renewal in flight", () => {
  it("that waits to issue: its next attempt starts now, with the same order and generation", async () => {
    const { bench, renewal } = await waitingToIssue();
    await using _bench = bench;
    expect(await requestRenewal(bench.context, FORCE)).toEqual({
      renewalId: renewal.id,
      joined: true,
      hurried: true,
    });
    expect(bench.jobs).toMatchObject([{ kind: "issue", renewalId: renewal.id, generation: renewal.generation }]);
    expect(bench.jobs[0]?.priority, "before the members of a replacement").toBeLessThan(60);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ id: renewal.id, state: "succeeded", generation: 1 });
    const [hurried] = await bench.store.events.list({ types: ["renewal.hurried"], limit: 10 });
    expect(hurried).toMatchObject({ renewalId: renewal.id, detail: { why: "the CA is back (by ops@host)" } });
  });

  it("that waits to deploy: every target is tried now, also one that had used up its attempts", async () => {
    const { bench, renewal } = await waitingToDeploy();
    await using _bench = bench;
    expect(await requestRenewal(bench.context, FORCE)).toMatchObject({ renewalId: renewal.id, hurried: true });
    expect(bench.jobs.map((job) => job.kind === "deploy" && job.target)).toEqual(["a", "b"]);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ id: renewal.id, state: "succeeded" });
    expect(await bench.store.versions.list("www")).toHaveLength(1);
  });

  it("without force it joins and changes nothing", async () => {
    const { bench, renewal } = await waitingToIssue();
    await using _bench = bench;
    const answer = await requestRenewal(bench.context, { ...FORCE, force: false });
    expect(answer).toEqual({ renewalId: renewal.id, joined: true, hurried: false });
    expect(await bench.renewal("www")).toEqual(renewal);
    expect(bench.jobs).toEqual([]);
  });

  it("leaves what a worker is doing alone", async () => {
    const { bench, renewal } = await waitingToIssue();
    await using _bench = bench;
    bench.now += DAY_MS;
    const claimed = await bench.store.renewals.claim(renewal.id, bench.now, 9_000);
    await requestRenewal(bench.context, FORCE);
    expect(await bench.renewal("www")).toMatchObject({ fence: claimed?.fence, leaseUntil: claimed?.leaseUntil });
    expect(bench.jobs).toEqual([]);
  });
});

describe("resume and retry", () => {
  it("resume ends the pause and hurries the renewal in flight", async () => {
    const { bench, renewal } = await waitingToIssue();
    await using _bench = bench;
    await pause(bench.store, { certificate: "www", reason: "holiday", until: null }, bench.now);
    const resumed = await resumeCertificate(bench.context, { of: "www", why: null, by: "ops@host" });
    expect(resumed?.id).toBe(renewal.id);
    expect(bench.jobs).toMatchObject([{ kind: "issue", renewalId: renewal.id }]);
    expect(await bench.store.certificates.get("www")).toMatchObject({ pausedAt: null });
  });

  it("retry takes the name or the renewal's id", async () => {
    const { bench, renewal } = await waitingToDeploy();
    await using _bench = bench;
    const retried = await retryNow(bench.context, { of: renewal.id, why: "fixed", by: null });
    expect(retried?.id).toBe(renewal.id);
    await bench.work();
    expect(await bench.renewal("www")).toMatchObject({ state: "succeeded" });
  });

  it("retry without a renewal in flight ends the back-off and issues nothing by itself", async () => {
    await using installation = await createInstallation(configText(["www"]));
    const { store } = installation;
    const later = Date.now() + DAY_MS;
    await store.certificates.update("www", { nextAttemptAt: later, nextCheckAt: later, failures: 3 });
    expect(await installation.run("retry", "www", "--reason", "fixed")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("www has no renewal in flight; the planner decides at its next tick"),
    });
    const record = await store.certificates.get("www");
    expect(record).toMatchObject({ nextAttemptAt: null, failures: 0 });
    expect(record?.nextCheckAt).toBeLessThan(later);
    expect(await store.renewals.active("www")).toBeNull();
    const [retried] = await store.events.list({ types: ["certificate.retried"], limit: 1 });
    expect(retried?.detail.why).toMatch(/^fixed \(by .+\)$/);
  });

  it.each(["retry", "resume"])(
    "%s --wait without a renewal in flight says that there is nothing to wait for",
    async (verb) => {
      await using installation = await createInstallation(configText(["www"]));
      expect(await installation.run(verb, "www", "--wait")).toMatchObject({
        code: 0,
        stderr: expect.stringContaining("www has no renewal in flight, so there is nothing to wait for"),
      });
    },
  );

  it("resume --wait waits for the renewal that it hurries", async () => {
    await using installation = await createInstallation(configText(["www"]));
    // Of a configuration before this one, so that it ends at once.
    await installation.store.renewals.insert(renewal({ id: "aaaaaaaa-1", certificate: "www", state: "planned" }));
    expect(await installation.run("resume", "www", "--wait")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("www  cancelled after"),
    });
  });

  it("retry of an unknown name is refused", async () => {
    await using installation = await createInstallation(configText(["www"]));
    expect((await installation.run("retry", "other")).code).toBe(2);
  });
});
