// Exercises: a certificate is broken on purpose until a person acknowledges, and it never stays broken.
import { expect, onTestFinished, test } from "vitest";
import type { AlertSettings } from "../../../src/domain/alertSettings.ts";
import type { Exercise } from "../../../src/domain/exercise.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { acknowledgeAlert } from "../../../src/renewal/operator/acknowledgeAlert.ts";
import { breakForExercise } from "../../../src/renewal/steps/breakTarget.ts";
import { beginExercise, runExercises } from "../../../src/renewal/watch/exercise.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";
import { NO_SIGNAL } from "../../support/model/workbench.ts";

const NAME = "sacrificial";
const SETTINGS = { certificate: NAME, everyMs: 30 * DAY_MS, acknowledgeMs: 30 * MINUTE_MS };

/** Proved live, with a channel for everybody and one for who is next. */
async function estateOf(settings: Partial<AlertSettings> = {}): Promise<AlertBench> {
  const names = ["other", NAME];
  const certificates = names.map((name) => alertCertificate(name, { targets: [`t-${name}`] }));
  const escalation = [
    { afterMs: 10 * MINUTE_MS, channels: ["phone"], from: "page" } as const,
    { afterMs: DAY_MS, channels: ["boss"], from: "page" } as const,
  ];
  const estate = await AlertBench.open(certificates, {
    exercise: SETTINGS,
    escalation,
    resolveAfterMs: 0,
    ...settings,
  });
  onTestFinished(() => estate[Symbol.asyncDispose]());
  for (const name of ["ops", "phone", "boss"]) estate.channel(name, { from: name === "ops" ? "warning" : "page" });
  const about = { owners: ["nobody"] };
  for (const name of ["phone", "boss"]) estate.channel(name, { about });
  await estate.after(0);
  await estate.renew();
  return estate;
}

/** As planner and deployer look after exercises, and the verifier after endpoints. */
async function tick({ context, bench }: AlertBench, by: Context = context): Promise<void> {
  await runExercises(by, NO_SIGNAL);
  await breakForExercise(by, [], NO_SIGNAL);
  await observeDue(by, NO_SIGNAL);
  bench.now += 1_000;
}

async function last({ bench: { store } }: AlertBench): Promise<Exercise> {
  const [exercise] = await store.exercises.list(1);
  return exercise ?? expect.unreachable("no exercise");
}

test("what is broken stays so until a person acknowledges, then a normal renewal puts it right", async () => {
  const estate = await estateOf();
  const { bench, context } = estate;
  const { store } = bench;
  await tick(estate);
  expect(await last(estate)).toMatchObject({ certificate: NAME, brokenAt: expect.any(Number), endedAt: null });
  await estate.after(0);
  expect(estate.texts("ops")).toEqual([expect.stringMatching(/^opened sacrificial.*does not serve it/)]);
  expect(estate.sent[0]?.notification).toMatchObject({ severity: "page", action: expect.stringContaining("exercise") });

  // Nothing repairs it, and nothing else is broken.
  await estate.renew();
  expect(await store.renewals.active(NAME)).toBeNull();
  const [endpoint] = await store.observations.statuses("other");
  expect(endpoint?.proved).toBe(true);
  expect(await breakForExercise(context, [], NO_SIGNAL)).toBe(false);

  bench.now += 4 * MINUTE_MS;
  const [alert] = await store.alerts.open();
  const of = { alert: alert?.id ?? "", via: "terminal", by: "anna", reason: "on it", at: bench.now } as const;
  await acknowledgeAlert(context, { ...of, acknowledgements: null });
  await tick(estate);
  const ended = await last(estate);
  expect(ended).toMatchObject({ outcome: "acknowledged", acknowledgedBy: "anna", finishedAt: null });
  expect(ended.acknowledgedAt).toBe(of.at);
  expect((await store.certificates.get(NAME))?.pausedAt).toBeNull();
  await estate.renew();
  await tick(estate);
  expect((await last(estate)).finishedAt).not.toBeNull();
  expect((await store.versions.latest(NAME))?.generation).toBe(2);
  expect(await store.renewals.get(ended.id)).toMatchObject({ state: "succeeded", trigger: "request" });
  await estate.after(MINUTE_MS);
  expect(await store.alerts.open()).toEqual([]);
  await tick(estate);
  expect(await store.exercises.running()).toEqual([]);

  // And again after its interval, not before.
  bench.now = ended.startedAt + SETTINGS.everyMs - 1_000;
  expect(await runExercises(context, NO_SIGNAL)).toBe(false);
  bench.now += 1_000;
  expect(await runExercises(context, NO_SIGNAL)).toBe(true);
});

test("when nobody acknowledges in time the next escalation step is told, until an exercise is acknowledged", async () => {
  const estate = await estateOf();
  await tick(estate);
  await estate.after(0);
  await estate.after(15 * MINUTE_MS);
  expect(estate.texts("phone")).toEqual([expect.stringMatching(/^escalated sacrificial/)]);
  await estate.after(20 * MINUTE_MS);
  await tick(estate);
  expect(await last(estate)).toMatchObject({ outcome: "unacknowledged", step: 1, acknowledgedAt: null });
  await estate.after(0);
  expect(estate.texts("boss")).toEqual([
    expect.stringMatching(/^opened .*nobody acknowledged that sacrificial was broken, as an exercise, within 30 min/),
  ]);
  await estate.renew();
  await tick(estate);
  expect((await last(estate)).finishedAt).not.toBeNull();
  await estate.after(DAY_MS);
  const open = await estate.bench.store.alerts.open();
  expect(open.map(({ rule }) => rule)).toEqual(["exerciseUnanswered"]);
});

test("an alert that no receiver took has reached nobody, and says so", async () => {
  const estate = await estateOf();
  for (const name of ["ops", "phone", "boss"]) estate.down.add(name);
  await tick(estate);
  await estate.after(0);
  await estate.after(31 * MINUTE_MS);
  await tick(estate);
  expect(await last(estate)).toMatchObject({ outcome: "unnoticed", alert: expect.any(String), notifiedAt: null });
  estate.down.clear();
  await estate.after(HOUR_MS);
  expect(estate.texts("boss").join("\n")).toContain("and nobody was notified");
});

test("whatever dies, the certificate does not stay broken", async () => {
  const estate = await estateOf();
  const { bench, context } = estate;
  const { store } = bench;
  const dying = new AbortController();
  const { services } = context;
  // Its process is stopped after the target got the broken pair, before that was written.
  const dies: Context = {
    ...context,
    services: {
      ...services,
      deployer: (target) => ({
        async deploy(...request) {
          await services.deployer(target).deploy(...request);
          dying.abort();
          throw dying.signal.reason;
        },
      }),
    },
  };
  await runExercises(context, NO_SIGNAL);
  expect(await breakForExercise(dies, [], dying.signal)).toBe(false);
  expect(await last(estate)).toMatchObject({ brokenAt: null, endedAt: null });
  expect(await store.deployments.get(NAME, `t-${NAME}`)).toMatchObject({ deployedGeneration: 0, leaseUntil: null });

  // No planner follows the exercise any more: the pause ends by itself, and the planner of before puts it right.
  bench.now += 51 * MINUTE_MS;
  await store.certificates.update(NAME, { nextCheckAt: bench.now });
  await estate.renew();
  await observeDue(context, NO_SIGNAL);
  expect((await store.observations.statuses(NAME)).map(({ proved }) => proved)).toEqual([true]);
  await tick(estate);
  expect(await last(estate)).toMatchObject({ outcome: "failed" });
  expect((await store.certificates.get(NAME))?.pausedAt).toBeNull();
});

test("only the certificate that the configuration names is broken, and only while it is well", async () => {
  const estate = await estateOf();
  const { context, bench } = estate;
  const { store } = bench;
  const begin = (by: Context = context) => beginExercise(by, { by: "anna", why: null });
  const naming = (exercise: AlertSettings["exercise"]): Context => {
    const { settings } = context;
    return { ...context, settings: { ...settings, alerts: { ...settings.alerts, exercise } } };
  };
  await expect(begin(naming(null))).rejects.toThrow("no certificate is configured to be broken");
  await store.certificates.update(NAME, { pausedAt: bench.now, pausedReason: "move" });
  await expect(begin()).rejects.toThrow("sacrificial cannot be broken now: it is paused");
  await store.certificates.update(NAME, { pausedAt: null, pausedReason: null });
  const { id } = await begin();
  await expect(begin()).rejects.toThrow("an exercise runs already");
  // A deployer whose configuration names another one breaks neither.
  for (const other of [null, { ...SETTINGS, certificate: "other" }])
    expect(await breakForExercise(naming(other), [], NO_SIGNAL)).toBe(false);
  expect(await breakForExercise(context, ["t-other"], NO_SIGNAL)).toBe(false);
  await runExercises(naming(null), NO_SIGNAL);
  expect(await last(estate)).toMatchObject({ id, outcome: "cancelled", brokenAt: null });
  expect((await store.certificates.get(NAME))?.pausedAt).toBeNull();
});

test("in quiet hours the schedule begins none", async () => {
  const quietHours = { fromMinute: 0, untilMinute: 60, timeZone: "UTC", holds: "page" } as const;
  const estate = await estateOf({ quietHours });
  estate.bench.now = Date.UTC(2026, 0, 1, 0, 59);
  expect(await runExercises(estate.context, NO_SIGNAL)).toBe(false);
  estate.bench.now += MINUTE_MS;
  expect(await runExercises(estate.context, NO_SIGNAL)).toBe(true);
});

test("a freeze of its certificate holds the schedule, and no person who asks", async () => {
  const estate = await estateOf();
  const { bench, context } = estate;
  const { services } = context;
  const until = bench.now + HOUR_MS;
  const certificate = (name: string) => {
    const found = services.certificate(name);
    const freezes = [{ from: bench.now - HOUR_MS, until, reason: "sale" }];
    return found && { ...found, maintenance: { ...found.maintenance, freezes } };
  };
  const frozen = { ...context, services: { ...services, certificate } };
  expect(await runExercises(frozen, NO_SIGNAL)).toBe(false);
  expect(await beginExercise(frozen, { by: "anna", why: null })).toMatchObject({ by: "anna" });
});

test("clocks that differ between deployer, planner and verifier neither end an exercise nor lose its alert", async () => {
  const estate = await estateOf();
  const { bench, context } = estate;
  await runExercises(context, NO_SIGNAL);
  // The deployer's machine is ahead.
  const ahead: Context = { ...context, clock: { ...context.clock, now: () => bench.now + 20_000 } };
  await breakForExercise(ahead, [], NO_SIGNAL);
  bench.now += 1_000;
  await observeDue(ahead, NO_SIGNAL);
  await estate.after(0);
  await runExercises(context, NO_SIGNAL);
  const { brokenAt, alert, ...begun } = await last(estate);
  expect(begun).toMatchObject({ endedAt: null, notifiedAt: expect.any(Number) });
  const at = bench.now;
  expect(brokenAt).toBeGreaterThan(at);
  const of = { alert: alert ?? "", via: "terminal", by: "anna", reason: "on it", at } as const;
  await acknowledgeAlert(context, { ...of, acknowledgements: null });
  await runExercises(context, NO_SIGNAL);
  expect(await last(estate)).toMatchObject({ outcome: "acknowledged" });
  const [event] = await bench.store.events.list({ certificate: NAME, types: ["exercise.ended"], limit: 1 });
  expect(event?.detail).toMatchObject({ tookMs: 0 });
});

test("an exercise is found by its alert among hundreds that are newer", async () => {
  const estate = await estateOf();
  const { bench, context } = estate;
  const { store } = bench;
  await tick(estate);
  await estate.after(0);
  const [own] = await store.alerts.open();
  if (own === undefined) expect.unreachable("no alert");
  await store.transaction(async (tx) => {
    for (let newer = 1; newer <= 101; newer++) {
      const instants = { openedAt: own.openedAt + newer, resolvedAt: own.openedAt + newer };
      const of = { id: `storm${newer}`, rule: "renewalFailed", cause: `storm ${newer}` } as const;
      await tx.alerts.save({ ...own, ...instants, ...of });
    }
  });
  const of = { alert: own.id, via: "terminal", by: "anna", reason: "on it", at: bench.now } as const;
  await acknowledgeAlert(context, { ...of, acknowledgements: null });
  await tick(estate);
  expect(await last(estate)).toMatchObject({ alert: own.id, outcome: "acknowledged" });
});

test("none begins while the alert of the last is open: whoever took that on would have taken on this one", async () => {
  const estate = await estateOf({ resolveAfterMs: 5 * MINUTE_MS });
  const { bench, context } = estate;
  await tick(estate);
  await estate.after(0);
  const [alert] = await bench.store.alerts.open();
  const of = { alert: alert?.id ?? "", via: "terminal", by: "anna", reason: "on it", at: bench.now } as const;
  await acknowledgeAlert(context, { ...of, acknowledgements: null });
  await tick(estate);
  await estate.renew();
  await tick(estate);
  expect((await last(estate)).finishedAt).not.toBeNull();
  const again = () => beginExercise(context, { by: "anna", why: null });
  await expect(again()).rejects.toThrow(`alert ${alert?.id} of the last exercise is not over yet`);
  await estate.after(MINUTE_MS);
  await estate.after(6 * MINUTE_MS);
  expect(await again()).toMatchObject({ by: "anna" });
});

test("what nobody answered stays open while the next exercise runs, and when that is cancelled", async () => {
  const estate = await estateOf();
  const { bench, context } = estate;
  const open = async () => (await bench.store.alerts.open()).map(({ rule }) => rule);
  await tick(estate);
  await estate.after(0);
  await estate.after(31 * MINUTE_MS);
  await tick(estate);
  await estate.renew();
  await tick(estate);
  await estate.after(MINUTE_MS);
  await estate.after(MINUTE_MS);
  expect(await open()).toEqual(["exerciseUnanswered"]);
  const { id } = await beginExercise(context, { by: "anna", why: null });
  await estate.after(MINUTE_MS);
  await estate.after(MINUTE_MS);
  expect(await open()).toEqual(["exerciseUnanswered"]);
  const alerts = { ...context.settings.alerts, exercise: { ...SETTINGS, certificate: "other" } };
  await runExercises({ ...context, settings: { ...context.settings, alerts } }, NO_SIGNAL);
  expect(await last(estate)).toMatchObject({ id, outcome: "cancelled" });
  await estate.after(MINUTE_MS);
  await estate.after(MINUTE_MS);
  expect(await open()).toEqual(["exerciseUnanswered"]);
});
