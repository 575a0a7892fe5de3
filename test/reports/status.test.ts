import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderStatus } from "../../src/cli/render/status.ts";
import { displayWidth } from "../../src/cli/terminal/text.ts";
import { type Certificate, EXERCISED } from "../../src/domain/certificate.ts";
import { statusReport } from "../../src/reports/status.ts";
import { certificate, DAY_MS, endpointStatus, NOW, renewal } from "../support/model/facts.ts";
import { createEstate, ENDPOINT, type Estate } from "../support/system/estate.ts";

const MINUTE_MS = 60_000;
const SCREEN = { width: 80, colours: false };

let estate: Estate;
beforeEach(async () => {
  estate = await createEstate();
});
afterEach(() => estate[Symbol.asyncDispose]());

describe("a healthy estate", () => {
  test("needs nobody, and green is only what handshakes proved", async () => {
    const www = await estate.live("www");
    const found = await estate.report([www]);
    expect(found).toMatchObject({ version: 2, needsPerson: false, problems: [], notices: [], inFlight: [] });
    expect(found.summary).toMatchObject({
      certificates: 1,
      provedLive: 1,
      notProved: 0,
      nextExpiry: { certificate: "www" },
    });
    expect(renderStatus(found, { width: 80, colours: true })).toContain("\u001b[32m1 proved live\u001b[39m");
  });

  test("a version without an endpoint, or proved at an older generation only, is deployed and not proved", async () => {
    const bare = { ...(await estate.live("bare")), endpoints: [] };
    const www = await estate.live("www");
    await estate.issue("www", 2, NOW + 90 * DAY_MS);
    await estate.setDeployment("www", { deployedGeneration: 2 });
    const found = await estate.report([bare, www]);
    expect(found.summary).toMatchObject({ provedLive: 0, notProved: 2 });
    expect(renderStatus(found, { width: 80, colours: true })).not.toContain("\u001b[32m");
  });

  test("an empty configuration says so", async () => {
    expect(renderStatus(await estate.report([]), SCREEN)).toContain("no certificates are configured");
  });
});

describe("what is wrong", () => {
  test("expired comes with how long ago, what was tried, when it goes on and what to do", async () => {
    const www = await estate.live("www", {
      notAfter: NOW - 3 * 3_600_000,
      record: {
        failures: 3,
        nextAttemptAt: NOW + 10 * MINUTE_MS,
        nextCheckAt: NOW + 10 * MINUTE_MS,
        lastErrorCode: "acme.caa",
        lastErrorMessage: "CAA forbids it",
      },
    });
    await estate.store.renewals.insert(
      renewal({
        id: "aaaaaaaa-1",
        state: "failed",
        attempts: 5,
        createdAt: NOW - 30 * MINUTE_MS,
        finishedAt: NOW - 12 * MINUTE_MS,
        errorCode: "acme.caa",
        nextActionAt: null,
      }),
    );
    const found = await estate.report([www]);
    expect(found.needsPerson).toBe(true);
    expect(found.problems).toMatchObject([
      {
        certificate: "www",
        needsPerson: true,
        problems: [
          { kind: "expired", what: "expired 3 h ago" },
          { kind: "failing", what: "3 renewals in a row failed" },
        ],
        errors: [{ where: "last renewal", code: "acme.caa", message: "CAA forbids it" }],
        tried: { failuresInARow: 3, attempts: 5, lastAt: new Date(NOW - 12 * MINUTE_MS).toISOString() },
        next: { at: new Date(NOW + 10 * MINUTE_MS).toISOString() },
        renewalId: "aaaaaaaa-1",
      },
    ]);
    const text = renderStatus(found, SCREEN);
    expect(text).toContain("1 problem needs a person");
    expect(text).toContain("✗ www  expired 3 h ago; 3 renewals in a row failed");
    expect(text).toContain("CAA forbids it [acme.caa]");
    expect(text).toContain("5 attempts in the last renewal, the last 12 min ago");
    expect(text).toContain("a renewal is tried again, in 10 min");
    expect(text).toContain("Add this CA to the domain's CAA record");
    expect(text).toContain("renewd show aaaaaaaa");
  });

  test("the old certificate on a target that could not be renewed counts, however fresh the latest version is", async () => {
    const www = await estate.live("www", { notAfter: NOW + DAY_MS });
    await estate.issue("www", 2, NOW + 90 * DAY_MS);
    await estate.store.deployments.want("www", ["lb"], 2);
    await estate.setDeployment("www", {
      attempts: 4,
      exhausted: true,
      errorCode: "deploy.unreachable",
      errorMessage: "connect ENOENT haproxy.sock",
    });
    const [problem] = (await estate.report([www])).problems;
    expect(problem).toMatchObject({
      expiresAt: new Date(NOW + DAY_MS).toISOString(),
      problems: [
        { kind: "notDeployed", what: "1 target of 1 not holding generation 2 (lb), which was issued 10 d ago" },
      ],
      errors: [{ where: "target lb", code: "deploy.unreachable", attempts: 4, nextAttemptAt: null }],
    });
    const expired = (await estate.report([www], NOW + 2 * DAY_MS)).problems[0]?.problems[0];
    expect(expired).toEqual({ kind: "expired", what: "a certificate that expired 1 d ago is still in use" });
  });

  test("an address that still serves an old certificate makes its date count too", async () => {
    const www = await estate.live("www");
    const served = {
      fingerprint: "bb",
      serial: "0B",
      subjectAltNames: [],
      issuer: "x",
      notBefore: 0,
      notAfter: NOW + DAY_MS / 2,
      chain: [],
    };
    const seen = {
      address: "192.0.2.9",
      port: 443,
      sni: "www.example.org",
      at: NOW,
      durationMs: 1,
      served,
      problem: { code: "verify.stale", message: "old" },
    };
    const stale = endpointStatus({
      endpoint: ENDPOINT,
      proved: false,
      errorCode: "verify.stale",
      errorMessage: "192.0.2.9: old",
    });
    await estate.store.observations.record(stale, [seen]);
    const [problem] = (await estate.report([www])).problems;
    expect(problem).toMatchObject({
      needsPerson: true,
      expiresAt: new Date(NOW + DAY_MS / 2).toISOString(),
      problems: [{ kind: "stale", what: "1 endpoint of 1 not serving generation 1" }],
      errors: [{ code: "verify.stale", message: "192.0.2.9: old" }],
    });
    expect(problem?.actions.join()).toContain("Reload or repair the server");
    estate.patch(www, { pausedAt: NOW, pausedUntil: NOW + MINUTE_MS, pausedReason: EXERCISED });
    const [exercised] = (await estate.report([www])).problems;
    expect(exercised?.actions).toEqual([expect.stringContaining("it is an exercise")]);
  });

  test("a quarantined one is not tried until resumed", async () => {
    const www = await estate.live("www", {
      record: {
        failures: 1,
        pausedAt: NOW,
        pausedReason: "quarantined: 5 workers died",
        lastErrorCode: "internal.crashLoop",
        lastErrorMessage: "5 workers died",
      },
    });
    const [problem] = (await estate.report([www])).problems;
    expect(problem).toMatchObject({
      needsPerson: true,
      problems: [{ kind: "quarantined" }, { kind: "failing" }],
      next: { at: null, what: "nothing until it is resumed" },
    });
    expect(problem?.actions.join()).toContain("renewd resume www");
  });

  test("a pause is a problem only once it holds back a renewal", async () => {
    const early = await estate.live("early", { record: { pausedAt: NOW, pausedReason: "freeze" } });
    const late = await estate.live("late", {
      notAfter: NOW + 20 * DAY_MS,
      record: { pausedAt: NOW, pausedUntil: NOW + DAY_MS, pausedReason: "freeze" },
    });
    const found = await estate.report([early, late]);
    expect(found.problems).toMatchObject([
      {
        certificate: "late",
        problems: [{ kind: "paused", what: "paused moments ago (freeze) although a renewal is due, expires in 20 d" }],
        next: { what: "the pause ends" },
      },
    ]);
    expect(found.summary).toMatchObject({ provedLive: 1, withProblems: 1, paused: 2 });
  });

  test("a certificate that a person paused before it was ever issued is no problem, whatever failed before", async () => {
    const paused = { pausedAt: NOW, pausedReason: "not yet", failures: 3, lastErrorCode: "acme.dns" } as const;
    const later = certificate({ name: "later" });
    estate.patch(later, { ...paused, lastErrorMessage: "no such name" });
    const found = await estate.report([later]);
    expect(found).toMatchObject({ problems: [], summary: { paused: 1, withProblems: 0 } });
    estate.patch(later, { ...paused, pausedUntil: NOW - 1, lastErrorMessage: "no such name" });
    const ended = await estate.report([later]);
    expect(ended.problems).toMatchObject([{ problems: [{ kind: "failing" }] }]);
  });

  test("what the first run holds needs a decision, and both are named as they are typed", async () => {
    const shop = certificate({ name: "shop" });
    const pausedReason = "first run: 127.0.0.1:443 serves another certificate until 2026-12-13 22:42:33Z";
    estate.patch(shop, { pausedAt: NOW - MINUTE_MS, pausedReason, nextCheckAt: null });
    const found = await estate.report([shop]);
    expect(found).toMatchObject({
      needsPerson: true,
      notices: [],
      problems: [
        {
          problems: [
            {
              kind: "paused",
              what: "nothing is ordered until you decide: 127.0.0.1:443 serves another certificate until 2026-12-13 22:42:33Z",
            },
          ],
          actions: [
            "Take the pair over: `renewd import shop --certificate FILE --key FILE`.",
            "Or replace it by a new one: `renewd resume shop`.",
          ],
        },
      ],
    });
  });

  test("soonest expiry comes first, and never issued is as urgent as expired", async () => {
    const failing = { failures: 1, lastErrorCode: "acme.dns", lastErrorMessage: "x", nextAttemptAt: NOW + MINUTE_MS };
    const far = await estate.live("far", { notAfter: NOW + 30 * DAY_MS, record: failing });
    const near = await estate.live("near", { notAfter: NOW + DAY_MS, record: failing });
    const gone = await estate.live("gone", { notAfter: NOW - DAY_MS, record: failing });
    const never = certificate({ name: "never" });
    estate.patch(never, failing);
    expect((await estate.report([far, near, gone, never])).problems.map((each) => each.certificate)).toEqual([
      "gone",
      "never",
      "near",
      "far",
    ]);
  });
});

describe("renewd itself", () => {
  test("what the planner should have checked and did not is told", async () => {
    const www = await estate.live("www", { record: { nextCheckAt: NOW - 3 * 3_600_000 } });
    expect((await estate.report([www])).notices).toMatchObject([
      { id: "planner/overdue", what: "the planner has not checked certificate www, due for 3 h", needsPerson: true },
    ]);
    const found = await statusReport(estate.store, [www, certificate({ name: "new" })], NOW);
    expect(found.notices.map(({ what }) => what)).toContain("the planner has not loaded certificate new yet");
    expect(renderStatus(found, SCREEN)).toContain("systemctl reload renewd");
  });

  test("what a person paused, or has observed only, is not something that the planner forgot", async () => {
    const missing = certificate({ name: "missing" });
    const watched = certificate({ name: "watched", mode: "observe" });
    estate.patch(missing, { pausedAt: NOW, pausedReason: "not yet", nextCheckAt: null });
    estate.patch(watched, { nextCheckAt: null });
    expect(await estate.report([missing, watched])).toMatchObject({ needsPerson: false, notices: [], problems: [] });
    estate.patch(missing, { pausedAt: null, pausedReason: null, nextCheckAt: null });
    expect((await estate.report([missing, watched])).notices).toMatchObject([{ certificates: ["missing"] }]);
  });

  test("a CA whose renewal windows are ignored is shown, until one is believed again", async () => {
    const www = await estate.live("www");
    await estate.store.renewalInfos.watch("www", 1, NOW);
    expect(await estate.store.renewalInfos.update("www", 1, { overdueInRow: 2 })).toBe(true);
    expect(await estate.report([www])).toMatchObject({
      needsPerson: true,
      notices: [{ what: expect.stringContaining("its renewal windows are ignored"), certificates: ["www"] }],
    });
    await estate.store.renewalInfos.update("www", 1, { overdueInRow: 0 });
    expect((await estate.report([www])).notices).toEqual([]);
  });

  test("a configuration the planner has not loaded is told, and wakes nobody", async () => {
    const www = await estate.live("www");
    await estate.report([www]);
    const found = await statusReport(estate.store, [{ ...www, digest: "edited" }], NOW);
    expect(found).toMatchObject({
      needsPerson: false,
      notices: [{ what: "the file differs from what the planner has loaded for certificate www" }],
    });
  });
});

describe("one screen", () => {
  test("a hundred failures fit 80 columns and 60 lines, hostile text included", async () => {
    const evil = `CA said \u001b[2J\u0007${"very ".repeat(200)}long\nrenewd: all good`;
    const failing = {
      failures: 1,
      lastErrorCode: "acme.server",
      lastErrorMessage: evil,
      nextAttemptAt: NOW + MINUTE_MS,
    };
    const many: Certificate[] = [];
    for (let index = 0; index < 100; index += 1) {
      const made = certificate({ name: `host-${index}-${"x".repeat(40)}` });
      estate.patch(made, failing);
      many.push(made);
    }
    const found = await estate.report(many);
    const text = renderStatus(found, SCREEN);
    const lines = text.split("\n");
    expect(lines.length).toBeLessThanOrEqual(60);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
    expect(text).not.toMatch(/[^\P{C}\n]/u);
    expect(text).toContain("… and 88 more: 88 acme.server (`renewd status --all`)");
    expect(
      renderStatus(found, SCREEN, true)
        .split("\n")
        .filter((line) => line.startsWith("✗ ")),
    ).toHaveLength(100);
  });

  test("what needs a person comes before what does not, however soon that expires", async () => {
    const fleet: Certificate[] = [];
    for (const [index, name] of ["seen", "also-seen", "open"].entries()) {
      const record = { failures: 3, lastErrorCode: "acme.caa", lastErrorMessage: "CAA forbids it" };
      fleet.push(await estate.live(name, { notAfter: NOW + (40 + index) * DAY_MS, record }));
      if (name === "open") continue;
      const until = NOW + DAY_MS;
      const decided = { by: "alice", reason: "known", at: NOW, until };
      await estate.store.health.acknowledge({ subject: name, kinds: ["failing"], ...decided });
    }
    const { problems } = await estate.report(fleet);
    expect(problems.map(({ certificate: name, needsPerson }) => [name, needsPerson])).toEqual([
      ["open", true],
      ["seen", false],
      ["also-seen", false],
    ]);
  });
});
