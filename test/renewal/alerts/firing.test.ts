// Every rule is fired by a scenario: a rule that cannot fire is no alert.
import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ALERT_RULES, type AlertRule } from "../../../src/domain/alert.ts";
import type { NewEvent } from "../../../src/domain/event.ts";
import type { Store } from "../../../src/domain/store.ts";
import { DAY_MS, HOUR_MS } from "../../../src/domain/time.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { warnOfExpiry } from "../../../src/renewal/plan/expiry.ts";
import { recordUnplannable } from "../../../src/renewal/plan/unplannable.ts";
import { JUDGED_EVENTS } from "../../../src/renewal/rules/alerts/signals.ts";
import { breakForExercise } from "../../../src/renewal/steps/breakTarget.ts";
import { beginExercise, runExercises } from "../../../src/renewal/watch/exercise.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";
import { heartbeat } from "../../support/model/facts.ts";
import { watchDefinition, watchLook } from "../../support/model/watched.ts";
import { NO_SIGNAL } from "../../support/model/workbench.ts";

type Scenario = (estate: AlertBench) => Promise<unknown>;

let estate: AlertBench;
beforeAll(async () => {
  estate = await AlertBench.open(
    ["fails", "held", "stale", "expires", "canary", "lost", "rehearsed", "unplannable", "sacrificial"].map((name) =>
      alertCertificate(name, { targets: [`t-${name}`], onWaveFailure: name === "held" ? "hold" : "fail" }),
    ),
    {
      heartbeat: true,
      exercise: { certificate: "sacrificial", everyMs: 30 * DAY_MS, acknowledgeMs: HOUR_MS / 2 },
      canary: { certificate: "canary", everyMs: DAY_MS },
      storm: { alertsMax: 100, windowMs: DAY_MS },
    },
  );
  estate.channel("ops", { from: "info" });
  estate.channel("mail", { from: "info" });
  await estate.after(0);
  await estate.renew();
  await estate.after(0);
});
afterAll(() => estate[Symbol.asyncDispose]());

/** As the code that finds it writes it. */
const happens =
  (type: NewEvent["type"], detail: NewEvent["detail"], of: Partial<NewEvent> = {}): Scenario =>
  ({ bench }) => {
    const about = { certificate: null, renewalId: null, target: null };
    return bench.store.events.append({ at: bench.now, type, ...about, ...of, detail });
  };
const renewing =
  (name: string, code: "acme.server" | "deploy.unreachable"): Scenario =>
  async (bench) => {
    bench.broken.set(code === "acme.server" ? `certificate ${name}` : `target t-${name}`, code);
    const { store, now } = { store: bench.bench.store, now: bench.bench.now };
    await store.certificates.update(name, { nextCheckAt: now });
    // As if its window had opened.
    bench.bench.certificates = bench.bench.certificates.map((each) =>
      each.name === name
        ? { ...each, keyType: "rsa-2048", digest: `digest of another ${name}`, issueDigest: "other" }
        : each,
    );
    await bench.renew();
  };
const update =
  (name: string, patch: Parameters<Store["certificates"]["update"]>[1], type: NewEvent["type"]): Scenario =>
  async (bench) => {
    await bench.bench.store.certificates.update(name, patch);
    await happens(type, {}, { certificate: name })(bench);
  };

const watchSees =
  (state: "unreachable" | "ending", problem: { readonly code: string; readonly message: string }): Scenario =>
  async (bench) => {
    const { store, now } = bench.bench;
    const watched = watchDefinition(state, { host: "partner.example.org", port: 443 });
    await store.watched.configure([...(await store.watched.list()), watched], now);
    const leaf = { notBefore: now - 80 * DAY_MS, notAfter: now + 2 * DAY_MS };
    const look = watchLook({ at: now, state, problem }, state === "ending" ? leaf : null);
    await store.watched.record([{ watched, look, nextLookAt: now }]);
    await happens("watch.changed", { watched: state, state })(bench);
  };

const SCENARIOS: Readonly<Record<AlertRule, Scenario>> = {
  renewalFailed: renewing("fails", "acme.server"),
  renewalHeld: renewing("held", "deploy.unreachable"),
  canary: renewing("canary", "acme.server"),
  async endpointStale({ context, bench, forget }) {
    forget("t-stale");
    await bench.store.certificates.update("stale", { nextObservationAt: bench.now });
    await observeDue(context, NO_SIGNAL);
  },
  async expiring({ context, bench }) {
    const now = bench.now;
    bench.now += 88 * DAY_MS;
    await bench.store.certificates.update("expires", { pausedAt: now, pausedUntil: null, pausedReason: "migration" });
    await warnOfExpiry(context, NO_SIGNAL);
  },
  watchedEndpoint: watchSees("unreachable", { code: "verify.timeout", message: "no handshake" }),
  watchedExpiring: watchSees("ending", { code: "verify.ending", message: "ends soon" }),
  async watchSilent({ bench }) {
    await bench.store.watched.configure([watchDefinition("nobody", {})], bench.now);
    bench.now += HOUR_MS;
  },
  async vantageSilent({ bench }) {
    const remote = alertCertificate("remote", { mode: "observe" });
    const endpoints = remote.endpoints.map((endpoint) => ({ ...endpoint, vantage: "office" }));
    bench.certificates = [...bench.certificates, { ...remote, endpoints }];
  },
  unplannable: ({ context }) => recordUnplannable(context, "unplannable", new Error("a damaged row")),
  async noIssuer({ context, bench }) {
    bench.certificates = bench.certificates.map((each) =>
      each.name === "lost" ? { ...each, allDistrusted: true, digest: "distrusted" } : each,
    );
    await configure(context, NO_SIGNAL);
  },
  rehearsalFailed: update("rehearsed", { rehearsalProblem: "dns: no token" }, "certificate.rehearsed"),
  clock: happens("clock.skewed", { message: "40 d ahead" }),
  clockDissent: happens("clock.dissent", { witness: "https://ca", message: "ca is 2 h behind" }),
  plannerPart: happens("planner.partFailed", { part: "expiry", message: "no" }),
  async channel(bench) {
    bench.down.add("mail");
    await happens("store.restored", {})(bench);
    for (let tick = 0; tick < 5; tick++) await bench.after(3_600_000);
  },
  heartbeat: ({ bench }) => {
    const problem = {
      kind: "heartbeat",
      message: "hc-ping.com does not answer",
      action: "Look.",
      since: bench.now,
    } as const;
    return bench.store.health.beat([heartbeat({ beatAt: bench.now, problems: [problem] })]);
  },
  peer: ({ bench }) => {
    const of = { name: "berlin", url: "https://berlin.example", everyMs: 60_000, state: "unreachable" } as const;
    const seen = { since: bench.now, askedAt: bench.now, failures: 2, problem: "no answer" };
    return bench.store.peers.save({ ...of, ...seen, sweptAt: null, lastWellAt: null });
  },
  async exercise({ context, bench }) {
    await beginExercise(context, { by: null, why: null });
    await breakForExercise(context, [], NO_SIGNAL);
    await bench.store.certificates.update("sacrificial", { nextObservationAt: bench.now });
    await observeDue(context, NO_SIGNAL);
  },
  async exerciseUnanswered({ context, bench }) {
    bench.now += HOUR_MS;
    await runExercises(context, NO_SIGNAL);
  },
  horizon: ({ bench }) => {
    const of = { kind: "token", subject: "target vault", what: "token", owner: null, runbook: null } as const;
    const ends = { ends: bench.now + 10 * DAY_MS, begins: bench.now - 90 * DAY_MS, note: null };
    return bench.store.horizon.replace("target vault", [{ ...of, ...ends, checkedAt: bench.now, problem: null }]);
  },
  accountReplaced: happens("account.replaced", { issuer: "ca", from: "1", to: "2", why: "deactivated" }),
  historyLost: happens("store.rolledBack", { number: 7 }),
  windowDistrusted: happens("renewalInfo.ignored", { distrusted: true, message: "x" }, { certificate: "fails" }),
  windowMoved: happens("renewalInfo.suggested", { moved: true }, { certificate: "fails" }),
  issuerFallback: happens("issue.fallback", { from: "ca", to: "other", why: "down" }, { certificate: "fails" }),
  versionRevoked: happens("version.revoked", { generation: 1, serial: "01" }, { certificate: "fails" }),
  certificateOvertaken: happens("certificate.overtaken", { endpoint: "e", serial: "02" }, { certificate: "fails" }),
  instantCorrected: happens("certificate.instantCorrected", { fields: "nextCheckAt" }, { certificate: "fails" }),
  targetDrifted: happens("target.drifted", { problem: "holds another" }, { certificate: "fails", target: "t-fails" }),
  processFault: happens("process.fault", { role: "acme", error: "boom" }),
  async processLost({ bench }) {
    const of = { role: "verifier", host: "web-1", startedAt: bench.now - DAY_MS } as const;
    const lost = heartbeat({ ...of, process: "web-1/1", beatAt: bench.now - HOUR_MS });
    return bench.store.health.beat([lost, heartbeat({ ...of, process: "web-1/2", beatAt: bench.now + HOUR_MS })]);
  },
  discovered: happens("discovery.found", {
    source: "hosts",
    kind: "unmanaged",
    count: 1,
    names: ["a.example"],
    soonest: 1,
  }),
};

/** Where rules and words are: naming an event there does not make it happen. */
const RULES_AND_WORDS = /\/(?:rules|reports|domain|web)\//;

test("every event that a rule waits for is written by code", () => {
  const root = new URL("../../../src/", import.meta.url).pathname;
  const files = globSync("**/*.ts", { cwd: root }).filter((path) => !RULES_AND_WORDS.test(`/${path}`));
  const code = files.map((path) => readFileSync(`${root}${path}`, "utf8")).join("\n");
  expect(files.length).toBeGreaterThan(300);
  expect(JUDGED_EVENTS.filter((type) => !code.includes(`"${type}"`))).toEqual([]);
});

// Every certificate nears its end after that.
const ORDER = [...ALERT_RULES.filter((rule) => rule !== "expiring"), "expiring" as const];

test.each(ORDER.map((rule) => [rule]))("rule %s fires, and people are notified of it", async (rule) => {
  const before = estate.sent.length;
  await SCENARIOS[rule](estate);
  for (let tick = 0; tick < 2; tick++) await estate.after(60_000);
  const raised = await estate.bench.store.alerts.lastRaised();
  expect([...raised.keys()]).toContain(rule);
  const alerts = (await estate.bench.store.alerts.list({ all: true, limit: 100 })).filter((each) => each.rule === rule);
  const ids = estate.sent.slice(before).flatMap(({ notification }) => notification.alert);
  expect(ids).toEqual(expect.arrayContaining(alerts.map(({ id }) => `alert/${id}`)));
  estate.down.clear();
});
