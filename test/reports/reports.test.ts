import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderCertificate, renderCertificates } from "../../src/cli/render/certificates.ts";
import { renderHistory } from "../../src/cli/render/history.ts";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { renderShow } from "../../src/cli/render/renewal.ts";
import { displayWidth } from "../../src/cli/terminal/text.ts";
import { EVENT_TYPES, type EventDetail, type EventType } from "../../src/domain/event.ts";
import type { Renewal } from "../../src/domain/renewal.ts";
import { certificatesReport } from "../../src/reports/certificates.ts";
import { eventSentence } from "../../src/reports/eventSentence.ts";
import { historyReport } from "../../src/reports/history.ts";
import { planReport } from "../../src/reports/plan.ts";
import { showReport } from "../../src/reports/renewal.ts";
import { certificate, DAY_MS, endpointStatus, NOW, renewal, version } from "../support/model/facts.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const SCREEN = { width: 100, colours: false };
const WWW = certificate({ name: "www", targets: ["lb", "edge"] });
const KEY = "www.example.org@127.0.0.1:443";
let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText([]), { planned: false });
});
afterEach(() => installation[Symbol.asyncDispose]());

const served = {
  fingerprint: "aa",
  serial: "01",
  subjectAltNames: ["www.example.org"],
  issuer: "ca",
  notBefore: 0,
  notAfter: NOW + DAY_MS,
  chain: [],
};
const seen = {
  address: "192.0.2.1",
  port: 443,
  sni: "www.example.org",
  at: NOW - 60_000,
  durationMs: 3,
  served,
  problem: null,
};

/** Generation 1, on one of two targets, one address served well. */
async function halfDeployed(): Promise<void> {
  const { store } = installation;
  await store.certificates.sync([WWW], NOW);
  await installation.issue(version());
  await store.deployments.want("www", WWW.targets, 1);
  await store.deployments.update("www", "lb", (await store.deployments.get("www", "lb"))?.fence ?? 0, {
    deployedGeneration: 1,
    deployedAt: NOW,
  });
  await store.observations.record(endpointStatus({ endpoint: KEY, roundEndedAt: NOW - 60_000 }), [seen]);
}

describe("certificates", () => {
  test("counts what is deployed and proved, and says what each target holds and each address serves", async () => {
    await halfDeployed();
    const report = await certificatesReport(installation.store, [WWW], NOW);
    expect(report).toMatchObject({
      version: 2,
      certificates: [
        {
          certificate: "www",
          names: ["www.example.org"],
          state: "notDeployed",
          generation: 1,
          serial: "01",
          expiresAt: "2026-04-01T00:00:00.000Z",
          targets: [
            { target: "lb", current: true },
            { target: "edge", current: false, deployedGeneration: 0 },
          ],
          endpoints: [
            { endpoint: KEY, proved: true, addresses: [{ address: "192.0.2.1:443", serial: "01", problem: null }] },
          ],
        },
      ],
    });
    expect(renderCertificates(report, SCREEN)).toMatch(/www +1 +01 +in 80 d +in 50 d +ca +1\/2 +1\/1 +not deployed/);
    const [entry] = report.certificates;
    const text = entry === undefined ? "" : renderCertificate(entry, report.at, SCREEN);
    expect(text).toMatch(/lb +generation 1/);
    expect(text).toMatch(/edge +nothing known/);
    expect(text).toMatch(/192\.0\.2\.1:443 +01 +1 min ago +proved live/);
  });

  test("an address that served an older generation well is no proof of this one", async () => {
    await halfDeployed();
    await installation.issue(version({ generation: 2 }));
    const [entry] = (await certificatesReport(installation.store, [WWW], NOW)).certificates;
    expect(entry?.endpoints[0]).toMatchObject({ proved: false });
    const text =
      entry === undefined ? "" : renderCertificate(entry, new Date(NOW).toISOString(), { width: 200, colours: false });
    expect(text).toContain("not proved for this generation");
    expect(text).not.toContain("proved live");
  });

  test("an address with several certificates is shown with the share of the others", async () => {
    await halfDeployed();
    const evidence = {
      ...{ generation: 1, good: 1, goodSince: NOW, lastGoodAt: NOW, relapses: 1, lastWrongAt: NOW },
      recent: ["", "", "generation 6", ""],
    };
    const problem = { code: "verify.mixed", message: "serves 2 certificates: 25 % generation 6" };
    await installation.store.observations.record(
      endpointStatus({ endpoint: KEY, proved: false, errorCode: problem.code, errorMessage: problem.message }),
      [{ ...seen, problem }],
      new Map([[seen.address, evidence]]),
    );
    const [entry] = (await certificatesReport(installation.store, [WWW], NOW)).certificates;
    expect(entry?.endpoints[0]?.addresses).toMatchObject([
      { connections: 1, mixedWith: [{ certificate: "generation 6", percent: 25 }] },
    ]);
    const text = entry === undefined ? "" : renderCertificate(entry, new Date(NOW).toISOString(), SCREEN);
    expect(text).toMatch(/192\.0\.2\.1:443 .*mixed, 25 % old/);
    expect(text).toContain("serves 2 certificates: 25 % generation 6");
  });

  test("errors of targets and endpoints are told in full below their tables", async () => {
    await halfDeployed();
    const { store } = installation;
    const fence = (await store.deployments.get("www", "edge"))?.fence ?? 0;
    await store.deployments.update("www", "edge", fence, {
      errorCode: "deploy.io",
      errorMessage: `no space left on device while writing ${"/very/long".repeat(4)}`,
    });
    const problem = { code: "verify.stale", message: "serves serial 00" };
    await store.observations.record(
      endpointStatus({
        endpoint: KEY,
        proved: false,
        errorCode: "verify.stale",
        errorMessage: "192.0.2.1: serves serial 00",
      }),
      [{ ...seen, problem }],
    );
    const [entry] = (await certificatesReport(store, [WWW], NOW)).certificates;
    const text =
      entry === undefined ? "" : renderCertificate(entry, new Date(NOW).toISOString(), { width: 80, colours: false });
    expect(text).toContain("! edge: no space left on device while writing\n  /very/long/very/long/very/long/very/long");
    expect(text).toContain(`! ${KEY}: 192.0.2.1: serves serial 00`);
    expect(text).toMatch(/192\.0\.2\.1:443 .* wrong$/m);
    for (const line of text.split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(80);
  });

  test.each([
    ["notIssued", null, {}],
    ["expired", { leaf: { ...version().leaf, notAfter: NOW - 1 } }, {}],
    ["failing", {}, { failures: 2 }],
    ["paused", {}, { pausedAt: NOW }],
    [
      "quarantined",
      {},
      { pausedAt: NOW, lastErrorCode: "internal.crashLoop", pausedReason: "quarantined: 5 workers died" },
    ],
    ["paused", {}, { pausedAt: NOW, lastErrorCode: "internal.crashLoop", pausedReason: "by a person, since" }],
    ["notProved", {}, {}],
  ] as const)("tells %s", async (state, patch, record) => {
    const bare = certificate({ targets: [] });
    await installation.store.certificates.sync([bare], NOW);
    await installation.store.certificates.update("www", record);
    if (patch !== null) await installation.issue(version(patch));
    expect((await certificatesReport(installation.store, [bare], NOW)).certificates[0]?.state).toBe(state);
  });
});

describe("plan", () => {
  test("says due, not due, held and unknown, each with why and when next", async () => {
    const { store } = installation;
    const names = ["missing", "healthy", "paused", "failing", "running"];
    const all = names.map((name) => certificate({ name, targets: [], endpoints: [] }));
    await store.certificates.sync(all, NOW);
    await installation.issue(version({ certificate: "healthy" }));
    await store.certificates.update("healthy", { nextCheckAt: NOW + 50 * DAY_MS });
    await store.certificates.update("paused", { pausedAt: NOW, pausedReason: "freeze" });
    await store.certificates.update("failing", {
      failures: 2,
      nextAttemptAt: NOW + 600_000,
      nextCheckAt: NOW + 600_000,
      lastErrorMessage: "no DNS",
    });
    await store.renewals.insert(
      renewal({ id: "dddddddd-1", certificate: "running", state: "issuing", nextActionAt: NOW + 5_000 }),
    );
    const report = await planReport(store, [...all, certificate({ name: "unseen" })], NOW);
    expect(report.version).toBe(2);
    const shown = report.certificates.map(
      ({ certificate: name, incompatible, reloads, responsibility, ...rest }) => [name, rest] as const,
    );
    expect(Object.fromEntries(shown)).toEqual({
      missing: {
        due: true,
        reason: "missing",
        heldBy: null,
        detail: "no certificate has been issued yet",
        nextAt: new Date(NOW).toISOString(),
      },
      healthy: {
        due: false,
        reason: null,
        heldBy: null,
        detail: "renews 2026-03-02 00:00:00Z",
        nextAt: "2026-03-02T00:00:00.000Z",
      },
      paused: { due: false, reason: "missing", heldBy: "paused", detail: "paused: freeze", nextAt: null },
      failing: {
        due: false,
        reason: "missing",
        heldBy: "backedOff",
        detail: "2 failures in a row, last: no DNS",
        nextAt: new Date(NOW + 600_000).toISOString(),
      },
      running: {
        due: false,
        reason: "missing",
        heldBy: "inFlight",
        detail: "renewal dddddddd-1 is issuing",
        nextAt: new Date(NOW + 5_000).toISOString(),
      },
      unseen: {
        due: false,
        reason: null,
        heldBy: "unknown",
        detail: "no planner has seen it yet: start or reload one",
        nextAt: null,
      },
    });
    expect(report.certificates.flatMap(({ incompatible }) => incompatible)).toEqual([]);
    expect(renderPlan(report, SCREEN)).toMatch(
      /failing +backed off +missing +2 failures in a row, last: no DNS +in 10 min/,
    );
  });

  test("says before the first run what that would order and replace", async () => {
    const certificates = [certificate(), certificate({ name: "watched", mode: "observe" })];
    const report = await planReport(installation.store, certificates, NOW);
    expect(report.certificates).toMatchObject([
      {
        certificate: "watched",
        due: false,
        heldBy: "observed",
      },
      {
        certificate: "www",
        due: true,
        reason: "missing",
        detail: expect.stringMatching(/^the first run orders it from ca by http, then replaces what lb holds/),
      },
    ]);
  });

  test("says before issuing what a target cannot take", async () => {
    await installation.store.certificates.sync([certificate({ targets: ["cdn"] })], NOW);
    const report = await planReport(installation.store, [certificate({ targets: ["cdn"] })], NOW, undefined, () => ({
      keyTypes: ["rsa-2048"],
    }));
    expect(report.certificates[0]?.incompatible).toEqual(["target cdn takes no ecdsa-p256 key, only rsa-2048"]);
    expect(renderPlan(report, SCREEN)).toContain(
      "Cannot be deployed as configured:\nwww: target cdn takes no ecdsa-p256 key, only rsa-2048",
    );
  });
});

async function insert(...renewals: readonly Partial<Renewal>[]): Promise<void> {
  for (const patch of renewals)
    expect(await installation.store.renewals.insert(renewal({ nextActionAt: null, ...patch }))).toBe(true);
}

describe("history", () => {
  const ids = { old: "a1-old", failed: "a2-failed", new: "b1-new" };
  beforeEach(() =>
    insert(
      { id: ids.old, state: "succeeded", createdAt: NOW - 8 * DAY_MS, finishedAt: NOW - 8 * DAY_MS + 12_000 },
      {
        id: ids.failed,
        state: "failed",
        createdAt: NOW - DAY_MS,
        finishedAt: NOW - DAY_MS + 60_000,
        errorCode: "acme.dns",
        errorMessage: "no such name",
        generation: 2,
      },
      { id: ids.new, certificate: "api", state: "issuing", createdAt: NOW - 30_000 },
    ),
  );
  const query = { certificate: null, since: null, failed: false, limit: 20 };
  const found = async (patch: Partial<typeof query> | { certificate: string } | { since: number }) =>
    (await historyReport(installation.store, { ...query, ...patch }, NOW)).renewals.map(({ id }) => id);

  test("is newest first and can be narrowed", async () => {
    expect(await found({})).toEqual([ids.new, ids.failed, ids.old]);
    expect(await found({ certificate: "www" })).toEqual([ids.failed, ids.old]);
    expect(await found({ since: NOW - 7 * DAY_MS })).toEqual([ids.new, ids.failed]);
    expect(await found({ failed: true })).toEqual([ids.failed]);
  });

  test("tells outcome, duration, serial and error, and what it left out", async () => {
    await installation.issue(version());
    const report = await historyReport(installation.store, { ...query, certificate: "www" }, NOW);
    expect(report).toMatchObject({
      version: 1,
      more: false,
      renewals: [
        { state: "failed", durationMs: 60_000, serial: null, errorCode: "acme.dns" },
        { state: "succeeded", durationMs: 12_000, serial: "01", errorCode: null },
      ],
    });
    expect(renderHistory(report, { width: 200, colours: false })).toMatch(
      /failed +1 min +- +a2-faile +acme\.dns: no such name/,
    );
    const limited = await historyReport(installation.store, { ...query, limit: 1 }, NOW);
    expect(limited).toMatchObject({ more: true, renewals: [{ id: ids.new, durationMs: 30_000 }] });
    expect(renderHistory(limited, SCREEN)).toContain("raise --limit");
  });

  test("an empty one says so", async () => {
    expect(
      renderHistory(await historyReport(installation.store, { ...query, certificate: "nobody" }, NOW), SCREEN),
    ).toBe("no renewals match");
  });
});

describe("show", () => {
  const id = "e0e0e0e0-1111-4111-8111-111111111111";
  const event = (afterMs: number, type: EventType, detail: EventDetail = {}, target: string | null = null) =>
    installation.store.events.append({ at: NOW + afterMs, type, certificate: "www", renewalId: id, target, detail });

  test("tells the whole timeline, with durations, attempts, errors and what to do, and nothing a terminal would act on", async () => {
    const errorMessage = `disk full: ${"/a/long/path".repeat(9)}`;
    await insert({ id, state: "failed", finishedAt: NOW + 90_000, errorCode: "deploy.io", errorMessage });
    await event(0, "renewal.planned", { reason: "renewalWindow", detail: "window opened", trigger: "planner" });
    await event(2_000, "issue.failed", {
      code: "acme.server",
      message: "busy \u001b[2J",
      action: "Nothing",
      attempt: 1,
      retryAt: NOW + 60_000,
    });
    await event(60_000, "version.issued", { serial: "0A", issuedBy: "Test CA", notAfter: NOW + 90 * DAY_MS });
    await event(
      61_000,
      "deploy.failed",
      { code: "deploy.io", message: "disk full", action: "Check free space.", attempt: 2, retryAt: null },
      "lb",
    );
    await event(62_000, "verify.addressServed", {
      endpoint: KEY,
      address: "192.0.2.1",
      serial: "01",
      problem: "old certificate",
    });
    const report = await showReport(installation.store, id, [], NOW);
    expect(report).toMatchObject({ version: 1, renewal: { id, state: "failed" } });
    expect(report.events.map(({ elapsedMs, what, error }) => [elapsedMs, what, error?.code ?? null])).toEqual([
      [0, "planned (planner): its window opened, window opened", null],
      [2_000, "issuing failed (attempt 1): busy \\x1b[2J; tries again 2026-01-11 00:01:00Z", "acme.server"],
      [58_000, "issued serial 0A by Test CA, expires 2026-04-11 00:00:00Z", null],
      [1_000, "deploying to lb failed (attempt 2): disk full; not tried again in this renewal", "deploy.io"],
      [1_000, `${KEY} at 192.0.2.1 served 01: old certificate`, null],
    ]);
    const text = renderShow(report, { width: 80, colours: false });
    expect(text).toContain("→ Check free space.");
    expect(text).toContain("busy \\x1b[2J");
    expect(text).toContain("+58 s");
    for (const line of text.split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(80);
  });

  test("takes the beginning of an id where only one begins so", async () => {
    await insert(
      { id, state: "failed" },
      { id: "e0ffffff-1111-4111-8111-111111111111", state: "failed", certificate: "api" },
    );
    expect((await showReport(installation.store, "e0e", [], NOW)).renewal.id).toBe(id);
    await expect(showReport(installation.store, "e0", [], NOW)).rejects.toThrow(
      /^renewal: 2 renewals' ids begin with "e0": .*\(www\)/,
    );
    const show = (name: string) => showReport(installation.store, name, [certificate({ name: "new" })], NOW);
    await expect(show("new")).rejects.toThrow('certificate "new" has had none yet; see `renewd plan`');
    await expect(show("zz")).rejects.toThrow('no renewal\'s id begins with "zz"');
  });

  test.each(EVENT_TYPES)("has a sentence for %s even when its detail is missing", (type) => {
    const sentence = eventSentence({
      seq: 1,
      at: NOW,
      type,
      certificate: "www",
      renewalId: id,
      target: "lb",
      worker: "w/1",
      detail: {},
    });
    expect(sentence).toMatch(/\S/);
    expect(sentence).not.toMatch(/undefined|null|\[object/);
  });
});
