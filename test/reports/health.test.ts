import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { renderStatus } from "../../src/cli/render/status.ts";
import type { Heartbeat } from "../../src/domain/heartbeat.ts";
import { RENEWAL_ROLES, ROLES, type Role } from "../../src/domain/role.ts";
import { planReport } from "../../src/reports/plan.ts";
import { DAY_MS, heartbeat, NOW, renewal } from "../support/model/facts.ts";
import { createEstate, type Estate } from "../support/system/estate.ts";

const MINUTE_MS = 60_000;
const SCREEN = { width: 80, colours: false };

let estate: Estate;
beforeEach(async () => {
  estate = await createEstate();
});
afterEach(() => estate[Symbol.asyncDispose]());

const all = (patch: Partial<Heartbeat> = {}): Heartbeat[] => ROLES.map((role) => heartbeat({ role, ...patch }));
const but = (role: Role, patch: Partial<Heartbeat>): Heartbeat[] =>
  ROLES.map((each) => heartbeat({ role: each, process: `web-1/${each}`, ...(each === role && patch) }));

describe("roles that do not run", () => {
  test("nothing runs: red although every certificate is healthy, and the command starts what ran before", async () => {
    const www = await estate.live("www");
    const found = await estate.report([www], NOW, { beats: all({ stoppedAt: NOW - 3 * MINUTE_MS }) });
    expect(found.needsPerson).toBe(true);
    expect(found.notices).toMatchObject([
      {
        kind: "role",
        what: "no planner, acme, deployer or verifier runs: web-1/42 was stopped 3 min ago",
        action: "Start renewd: `renewd run`.",
      },
    ]);
    expect(renderStatus(found, SCREEN)).toMatch(/^1 problem needs a person/);
  });

  test("what is due is not left to a planner that does not run", async () => {
    const www = await estate.live("www", { notAfter: NOW + 2 * DAY_MS, record: { nextCheckAt: NOW - MINUTE_MS } });
    await estate.store.versions.markVerified("www", 1, NOW - 80 * DAY_MS);
    const { problems } = await estate.report([www], NOW, { beats: [] });
    expect(problems[0]?.actions).toEqual([
      "Start a planner: `renewd run`, or `renewd worker planner` beside the other roles.",
    ]);
    expect(renderPlan(await planReport(estate.store, [www], NOW), SCREEN)).toContain("no planner runs");
    await estate.report([www]);
    expect(renderPlan(await planReport(estate.store, [www], NOW), SCREEN)).not.toContain("no planner runs");
  });

  test("a full disk that the asking process sees itself is not told twice", async () => {
    const problem = { kind: "disk", message: "the disk of /d is full", action: "Free space.", since: NOW } as const;
    const own = { id: "disk", what: "the disk of /d is full: only 1 MiB are left", action: "Free space." };
    const found = [{ ...own, kind: "disk", needsPerson: true, certificates: [] } as const];
    const { notices } = await estate.report([], NOW, { beats: all({ problems: [problem] }), found });
    expect(notices.filter(({ kind }) => kind === "disk").map(({ what }) => what)).toEqual([own.what]);
  });

  test("never started is said as such", async () => {
    const www = await estate.live("www");
    const [notice] = (await estate.report([www], NOW, { beats: [] })).notices;
    expect(notice?.what).toBe("no planner, acme, deployer or verifier runs: none has been started yet");
  });

  test.each(RENEWAL_ROLES)("a missing %s is named, with the command that starts it", async (role) => {
    const www = await estate.live("www");
    const beats = but(role, { beatAt: NOW - 2 * MINUTE_MS });
    expect((await estate.report([www], NOW, { beats })).notices).toMatchObject([
      {
        needsPerson: true,
        what: `no ${role} runs: web-1/${role} last reported 2 min ago and did not stop in order`,
        action: `Start it: \`renewd worker ${role}\`.`,
      },
    ]);
  });

  test("a target with a deployer of its own needs that one, and a deployer of all others is no substitute", async () => {
    const www = await estate.live("www");
    const found = await estate.report([www], NOW, { agentTargets: ["lb"] });
    expect(found.notices).toMatchObject([
      {
        what: "no deployer for target lb runs: none has been started yet",
        action: "Start it on the machine of lb: `renewd worker deployer --targets lb`.",
      },
    ]);
    const beats = [...all(), heartbeat({ role: "deployer", process: "lb-1/7", host: "lb-1", targets: ["lb"] })];
    expect((await estate.report([www], NOW, { agentTargets: ["lb"], beats })).notices).toEqual([]);
  });

  test("one of two that died needs nobody, and is not listed once it was replaced", async () => {
    const www = await estate.live("www");
    const dead = heartbeat({ role: "verifier", process: "web-2/9", host: "web-2", beatAt: NOW - 5 * MINUTE_MS });
    const found = await estate.report([www], NOW, { beats: [...all(), dead] });
    expect(found).toMatchObject({ needsPerson: false, notices: [{ kind: "process", id: "process/web-2/9" }] });
    const next = heartbeat({ role: "verifier", process: "web-2/10", host: "web-2", startedAt: NOW - MINUTE_MS });
    expect((await estate.report([www], NOW, { beats: [...all(), dead, next] })).notices).toEqual([]);
  });
});

test("a worker that was too busy is told until it takes all its jobs again, or has ended", async () => {
  const www = await estate.live("www");
  const takes = (jobs: number) => {
    const of = { certificate: null, renewalId: null, target: null, at: NOW };
    return estate.store.events.append({ ...of, type: "worker.concurrency", detail: { kind: "deploy", jobs, max: 8 } });
  };
  await takes(4);
  const [event] = await estate.store.events.list({ types: ["worker.concurrency"], limit: 1 });
  const process = event?.worker ?? "";
  const beats = but("deployer", { process });
  expect(await estate.report([www], NOW, { beats })).toMatchObject({
    needsPerson: false,
    notices: [
      {
        id: `load/${process}/deploy`,
        what: `${process} was too busy while deploy jobs ran and takes fewer than 8 at a time`,
      },
    ],
  });
  expect((await estate.report([www])).notices, "another process has its place").toEqual([]);
  await takes(8);
  expect((await estate.report([www], NOW, { beats })).notices).toEqual([]);
});

describe("a proof", () => {
  test("is believed no longer than observation promises, also by certificates", async () => {
    const www = await estate.live("www", { record: { nextCheckAt: NOW + 70 * DAY_MS } });
    const found = await estate.report([www], NOW + 60 * DAY_MS);
    expect(found.needsPerson).toBe(true);
    expect(found.summary).toMatchObject({ provedLive: 0, unknown: 1, certificates: 1 });
    expect(found.notices).toMatchObject([{ kind: "proof", what: expect.stringContaining("unknown since 2026-01-11") }]);
    expect(renderStatus(found, SCREEN)).not.toContain("1 proved live");
    expect((await estate.report([www], NOW + 15 * MINUTE_MS)).summary.provedLive).toBe(1);
    expect((await estate.report([www], NOW + 15 * MINUTE_MS, { observeMs: MINUTE_MS })).summary.unknown).toBe(1);
  });
});

describe("what a process reports of itself", () => {
  test.each(["redis", "disk", "reload", "role", "port"] as const)("%s is a finding of its own", async (kind) => {
    const www = await estate.live("www");
    const problem = { kind, message: "what is wrong", action: "What to do.", since: NOW - MINUTE_MS };
    const found = await estate.report([www], NOW, { beats: all({ problems: [problem] }) });
    expect(found).toMatchObject({
      needsPerson: true,
      notices: [{ kind, what: "what is wrong (web-1/42, for 1 min)", action: "What to do." }],
    });
    const ended = all({ problems: [problem], stoppedAt: NOW });
    expect((await estate.report([www], NOW, { beats: ended })).notices.map((each) => each.kind)).toEqual(["role"]);
  });

  test("a report from the future is a wrong clock", async () => {
    const www = await estate.live("www");
    const found = await estate.report([www], NOW, { beats: but("verifier", { beatAt: NOW + DAY_MS }) });
    expect(found.notices).toMatchObject([
      { kind: "clock", what: expect.stringContaining("web-1/verifier reported 1 d") },
    ]);
  });

  test("reports of stopped processes from the future are a wrong clock too, and nothing is in the past", async () => {
    const later = NOW + 10 * DAY_MS;
    const { notices } = await estate.report([await estate.live("www")], NOW, {
      beats: all({ beatAt: later, stoppedAt: later }),
    });
    expect(notices.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["clock", "role"]));
    expect(notices.find(({ kind }) => kind === "clock")?.what).toContain("web-1/42 reported 10 d in the future");
    expect(notices.find(({ kind }) => kind === "role")?.what).not.toContain("ago");
  });

  test("a process with a wrong clock that was stopped, and whose place another took, is past", async () => {
    const www = await estate.live("www");
    const gone = heartbeat({ process: "web-1/7", role: "verifier", beatAt: NOW + DAY_MS, stoppedAt: NOW + DAY_MS });
    expect((await estate.report([www], NOW, { beats: [...all(), gone] })).notices).toEqual([]);
  });

  test("a report from the future is forgotten when its process died: the next start deletes it", async () => {
    const outside = { before: NOW - DAY_MS, after: NOW + DAY_MS };
    const at = (process: string, beatAt: number) => heartbeat({ process, beatAt });
    await estate.store.health.beat([
      at("web-1/1", NOW - 2 * DAY_MS),
      at("web-1/2", NOW),
      at("web-1/3", NOW + 2 * DAY_MS),
    ]);
    await estate.store.health.forgetBeats(outside);
    expect((await estate.store.health.beats()).map(({ process }) => process)).toEqual(["web-1/2"]);
  });

  test("two planners with different configurations are two installations on one database", async () => {
    const www = await estate.live("www");
    const other = heartbeat({ process: "web-2/7", digest: "another", configFile: "/home/eve/renewd.yaml" });
    const found = await estate.report([www], NOW, { beats: [...all(), other] });
    expect(found).toMatchObject({
      needsPerson: true,
      notices: [
        { what: expect.stringContaining("web-1/42 (/etc/renewd/renewd.yaml) and web-2/7 (/home/eve/renewd.yaml)") },
      ],
    });
  });

  test("a worker that has not reloaded is told, and wakes nobody", async () => {
    const www = await estate.live("www");
    const found = await estate.report([www], NOW, { beats: but("deployer", { digest: "yesterday's" }) });
    expect(found).toMatchObject({
      needsPerson: false,
      notices: [{ what: "web-1/deployer works by another configuration than the planner" }],
    });
  });

  test("a planner that runs and plans nothing hangs", async () => {
    const www = await estate.live("www");
    const found = await estate.report([www], NOW, { beats: but("planner", { usefulAt: NOW - 6 * MINUTE_MS }) });
    expect(found.notices).toMatchObject([
      { kind: "planner", what: expect.stringContaining("planned nothing for 6 min") },
    ]);
  });
});

describe("work that waits", () => {
  const running = (change: Parameters<typeof renewal>[0]) =>
    estate.store.renewals.insert(renewal({ generation: 2, state: "issuing", createdAt: NOW - 90_000, ...change }));

  test("for a role that runs and takes nothing is a queue that nobody drains", async () => {
    const www = await estate.live("www");
    await running({});
    const idle = but("acme", { usefulAt: NOW - 5 * MINUTE_MS });
    expect((await estate.report([www], NOW, { beats: idle })).notices).toMatchObject([
      {
        kind: "queue",
        what: "1 renewal waiting for the acme role for 1 min 30 s: it runs (web-1/acme) but takes no work",
      },
    ]);
    const busy = but("acme", { usefulAt: NOW - 5_000 });
    expect((await estate.report([www], NOW, { beats: busy })).notices).toEqual([]);
    const redis = { kind: "redis", message: "away", action: "Start Redis.", since: NOW } as const;
    const blocked = but("acme", { usefulAt: NOW - 5 * MINUTE_MS, problems: [redis] });
    expect((await estate.report([www], NOW, { beats: blocked })).notices.map(({ kind }) => kind)).toEqual(["redis"]);
  });

  test("is done by nobody until somebody has claimed it", async () => {
    const www = await estate.live("www", { record: { failures: 1, lastErrorCode: "acme.server", nextCheckAt: null } });
    await running({ leaseUntil: NOW + 5_000 });
    const [claimed] = (await estate.report([www])).problems;
    expect(claimed?.next).toEqual({ at: null, what: "issuing: a worker is at it" });
    const later = NOW + MINUTE_MS;
    const beats = but("acme", { beatAt: NOW - 5 * MINUTE_MS }).map((beat) =>
      beat.role === "acme" ? beat : { ...beat, beatAt: later },
    );
    const found = await estate.report([www], later, { beats });
    expect(found.problems[0]?.next).toEqual({ at: null, what: "waits for an acme worker to take it, and none runs" });
    expect(renderStatus(found, SCREEN)).not.toMatch(/\bnow\b/);
  });
});

test("the figures of a screen agree: every certificate counts once, and all in flight are counted", async () => {
  const failing = {
    failures: 1,
    lastErrorCode: "acme.unauthorized",
    lastErrorMessage: "no",
    nextCheckAt: NOW + MINUTE_MS,
  };
  const made = [
    await estate.live("good"),
    await estate.live("bad", { record: failing }),
    await estate.live("moving"),
    await estate.live("moving-badly", { record: failing }),
  ];
  for (const certificate of ["moving", "moving-badly"])
    await estate.store.renewals.insert(renewal({ id: certificate, certificate, generation: 2, state: "issuing" }));
  const { summary, problems, inFlight } = await estate.report(made);
  const { provedLive, unknown, notProved, notIssued, renewing, withProblems, certificates } = summary;
  expect(provedLive + unknown + notProved + notIssued + renewing + withProblems).toBe(certificates);
  expect([provedLive, renewing, withProblems, summary.inFlight]).toEqual([1, 1, problems.length, inFlight.length]);
  const text = renderStatus(await estate.report(made), SCREEN);
  expect(text).toContain("2 problems need a person");
  expect(text).toContain("1 proved live, 1 renewing, 2 with problems (1 in flight)");
});

test("for a pair that renewd took back by itself somebody is called", async () => {
  const record = { failures: 1, lastErrorCode: "deploy.rolledBack", lastErrorMessage: "wave 1 of 2 failed" };
  const www = await estate.live("www", { record });
  const back = { reason: "rollback", state: "succeeded", finishedAt: NOW, nextActionAt: null } as const;
  await estate.store.renewals.insert(renewal({ ...back, id: "by-itself" }));
  expect((await estate.report([www])).needsPerson).toBe(true);
});
