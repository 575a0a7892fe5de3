import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderStatus } from "../../src/cli/render/status.ts";
import { pausedUntil } from "../../src/domain/lease.ts";
import type { Store } from "../../src/domain/store.ts";
import { DEFAULT_SETTINGS } from "../../src/renewal/rules/settings.ts";
import { ago } from "../../src/reports/instant.ts";
import { statusReport } from "../../src/reports/status.ts";
import { DAY_MS, NOW, renewal } from "../support/model/facts.ts";
import { createEstate, type Estate } from "../support/system/estate.ts";

const MINUTE_MS = 60_000;
const SCREEN = { width: 80, colours: false };

let estate: Estate;
beforeEach(async () => {
  estate = await createEstate();
});
afterEach(() => estate[Symbol.asyncDispose]());

describe("in flight", () => {
  const running = (change: Parameters<typeof renewal>[0]) =>
    estate.store.renewals.insert(renewal({ generation: 2, ...change }));

  test("is shown with stage and age, and needs nobody", async () => {
    const www = await estate.live("www");
    await running({ id: "bbbbbbbb-1", state: "verifying", createdAt: NOW - 90_000 });
    const found = await estate.report([www]);
    expect(found.needsPerson).toBe(false);
    expect(found.inFlight).toMatchObject([
      { certificate: "www", stage: "verifying", ageMs: 90_000, endpointsProved: 0, endpoints: 1 },
    ]);
    expect(renderStatus(found, SCREEN)).toMatch(/www +verifying 0\/1, waits +1 min 30 s +first issue +bbbbbbbb/);
  });

  test.each([
    ["a CA that is down for a while", "acme.server", 60, false, ["failing"]],
    ["a CA that is down near expiry", "acme.server", 1, true, ["expiring", "failing"]],
    ["names the CA cannot validate", "acme.unauthorized", 60, true, ["failing"]],
  ])("failing because of %s", async (_, errorCode, daysLeft, needsPerson, kinds) => {
    const www = await estate.live("www", { notAfter: NOW + daysLeft * DAY_MS });
    await running({
      state: "issuing",
      attempts: 1,
      retryAt: NOW + 5 * MINUTE_MS,
      errorCode,
      errorMessage: "why",
      createdAt: NOW - MINUTE_MS,
    });
    const found = await estate.report([www]);
    expect(found).toMatchObject({
      needsPerson,
      problems: [
        {
          needsPerson,
          problems: kinds.map((kind) => ({ kind })),
          next: { what: "tries again", at: new Date(NOW + 5 * MINUTE_MS).toISOString() },
        },
      ],
    });
  });

  test.each([
    ["that is tried again", { nextAttemptAt: NOW + 5 * MINUTE_MS }, false],
    ["that is given up", { exhausted: true }, true],
  ])("a target %s is told while the rest of the renewal goes on", async (_, change, needsPerson) => {
    const www = await estate.live("www");
    await running({ state: "deploying", createdAt: NOW - MINUTE_MS });
    await estate.store.deployments.want("www", ["lb"], 2);
    await estate.setDeployment("www", {
      ...change,
      attempts: 2,
      errorCode: "deploy.unreachable",
      errorMessage: "connect ECONNREFUSED",
    });
    const found = await estate.report([www]);
    expect(found).toMatchObject({
      needsPerson,
      problems: [
        {
          problems: [{ kind: "failing", what: "the renewal in flight fails (target lb, 2 attempts so far)" }],
          errors: [{ message: "connect ECONNREFUSED" }],
        },
      ],
    });
  });

  test("a new attempt after failures is still told of", async () => {
    const www = await estate.live("www", {
      record: {
        failures: 2,
        lastErrorCode: "acme.caa",
        lastErrorMessage: "CAA forbids it",
        nextAttemptAt: NOW - 1,
        nextCheckAt: null,
      },
    });
    await running({ state: "issuing", createdAt: NOW - 1_000 });
    expect((await estate.report([www])).problems).toMatchObject([
      {
        problems: [{ what: "2 renewals in a row failed" }],
        errors: [{ where: "last renewal" }],
        next: { at: null, what: "waits for an acme worker to take it" },
      },
    ]);
  });

  test("stuck when nothing has happened for ten minutes and it is not backing off", async () => {
    const www = await estate.live("www");
    await running({ id: "cccccccc-1", state: "issuing", createdAt: NOW - 60 * MINUTE_MS });
    const event = {
      at: NOW - 25 * MINUTE_MS,
      type: "issue.started",
      certificate: "www",
      renewalId: "cccccccc-1",
      target: null,
      detail: {},
    } as const;
    await estate.store.events.append(event);
    expect((await estate.report([www])).problems).toMatchObject([
      { needsPerson: true, problems: [{ kind: "stuck", what: "nothing has happened for 25 min while issuing" }] },
    ]);
    await estate.store.events.append({ ...event, at: NOW - MINUTE_MS });
    expect((await estate.report([www])).problems).toEqual([]);
  });

  test("in waves: neither a bake nor a later wave that waits for an earlier one's back-off is stuck; when no deployer runs, it is", async () => {
    const made = await estate.live("www");
    const waves = [
      { targets: ["lb"], bakeMs: 60 * MINUTE_MS, failureBudget: 0 },
      { targets: ["edge"], bakeMs: 0, failureBudget: 0 },
    ];
    const www = { ...made, targets: ["lb", "edge"], waves };
    await running({ id: "dddddddd-1", state: "deploying", createdAt: NOW - 40 * MINUTE_MS });
    await estate.store.deployments.want("www", www.targets, 2);
    expect((await estate.report([www])).problems).toMatchObject([
      {
        problems: [{ kind: "stuck" }],
        actions: ["See the log of the deployer role, then `renewd retry www`."],
      },
    ]);
    await estate.setDeployment("www", { attempts: 1, errorCode: "deploy.timeout", nextAttemptAt: NOW + MINUTE_MS });
    expect((await estate.report([www])).problems).toMatchObject([{ problems: [{ kind: "failing" }] }]);
    await estate.setDeployment("www", {
      errorCode: null,
      nextAttemptAt: null,
      deployedGeneration: 2,
      deployedAt: NOW - 30 * MINUTE_MS,
    });
    const found = await estate.report([www]);
    expect(found).toMatchObject({
      problems: [],
      inFlight: [{ waitingUntil: new Date(NOW + 30 * MINUTE_MS).toISOString() }],
    });
    expect(renderStatus(found, SCREEN)).toMatch(/deploying 1\/2, goes on in 30 min/);
  });

  test("after workers died at it, says how many and until when nobody takes it up; while one is at it, nothing of that", async () => {
    const www = await estate.live("www");
    const leaseUntil = NOW - 1_000;
    await running({ id: "eeeeeeee-1", state: "issuing", openClaims: 3, leaseUntil, createdAt: NOW - MINUTE_MS });
    const { renewals } = estate.store;
    const until = pausedUntil({ openClaims: 3, leaseUntil }, "eeeeeeee-1", NOW, DEFAULT_SETTINGS.leaseMs);
    expect(until).toBeGreaterThan(NOW);
    const found = await estate.report([www]);
    expect(found.inFlight).toMatchObject([{ workersDied: 3, waitingUntil: new Date(until).toISOString() }]);
    expect(renderStatus(found, { ...SCREEN, width: 120 })).toMatch(/issuing \(3 workers died at it\), goes on in \d+/);
    await renewals.update("eeeeeeee-1", 0, { leaseUntil: NOW + 1_000 });
    expect((await estate.report([www])).inFlight).toMatchObject([{ workersDied: 0, waitingUntil: null }]);
  });

  test("is not taken for forgotten by the planner when it ends while its rows are read", async () => {
    const www = await estate.live("www", { record: { nextCheckAt: null } });
    await running({ id: "ffffffff-1", state: "verifying" });
    const { store } = estate;
    const ends = async (): Promise<void> => {
      await store.certificates.update("www", { nextCheckAt: NOW + MINUTE_MS });
      await store.renewals.update("ffffffff-1", 0, { state: "succeeded", finishedAt: NOW, nextActionAt: null });
    };
    const list: Store["certificates"]["list"] = async (names) => {
      const records = await store.certificates.list(names);
      await ends();
      return records;
    };
    await estate.report([www]);
    const torn = { ...store, certificates: { ...store.certificates, list } };
    await store.certificates.update("www", { nextCheckAt: null });
    const found = await statusReport(torn, [www], NOW);
    expect(found.notices.map(({ id }) => id)).toEqual([]);
    expect(found.summary.plannerSaw).toBe(1);
  });
});

describe("a pair that was taken back", () => {
  test("is told as such, not as a failure, with why and what to do", async () => {
    const record = {
      failures: 1,
      lastErrorCode: "deploy.rolledBack",
      lastErrorMessage: "checkout fails (by eve)",
      nextAttemptAt: NOW + DAY_MS,
    };
    const www = await estate.live("www", { record });
    await estate.store.renewals.insert(
      renewal({ reason: "rollback", state: "succeeded", finishedAt: NOW - 5 * MINUTE_MS, nextActionAt: null }),
    );
    expect((await estate.report([www])).problems).toMatchObject([
      {
        problems: [{ kind: "failing", what: "rolled back 5 min ago: an earlier pair is in use" }],
        errors: [{ where: "last renewal", code: "deploy.rolledBack", message: "checkout fails (by eve)" }],
        actions: [
          expect.stringContaining("Find out why the pair was taken back"),
          expect.stringContaining("`renewd retry www`"),
        ],
      },
    ]);
  });
});

test("what has happened is never shown as still to come, though a clock is ahead", () => {
  expect(ago("2026-01-01T00:00:05.000Z", "2026-01-01T00:00:00.000Z")).toBe("just now");
  expect(ago("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:05.000Z")).toBe("5.0 s ago");
});
