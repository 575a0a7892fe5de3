import { randomUUID } from "node:crypto";
import type { Alert } from "../../domain/alert.ts";
import { EXERCISED } from "../../domain/certificate.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Exercise } from "../../domain/exercise.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { resume } from "../operator/pause.ts";
import { requestRenewal } from "../plan/request.ts";
import {
  type ExerciseFacts,
  exerciseAfter,
  exerciseBound,
  exerciseObstacle,
  isExerciseDue,
  isExerciseOver,
  isPutRight,
} from "../rules/exercise.ts";

const RECEIPTS_MAX = 100;

/**
 * Begins an exercise when it is due, follows the one that runs, and puts its certificate right at its end. All that it
 * knows is in the database: another planner, or this one after a crash, goes on where it was. Returns whether one runs.
 */
export async function runExercises(context: Context, signal: AbortSignal): Promise<boolean> {
  const { store, settings, clock, log } = context;
  const { exercise } = settings.alerts;
  const running = await store.exercises.running();
  if (running.length === 0 && exercise === null) return false;
  await context.clockGuard.check(signal);
  for (const each of running) await follow(context, each);
  if (running.length > 0) return true;
  const [last = null] = await store.exercises.list(1);
  const certificate = exercise === null ? null : context.services.certificate(exercise.certificate);
  if (certificate === null || !isExerciseDue(last, certificate.maintenance, settings.alerts, clock.now())) return false;
  try {
    await beginExercise(context, { by: null, why: null });
    return true;
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (error.code !== "request.invalid") throw thrown;
    // It begins when the certificate is well.
    log.debug({ certificate: certificate.name, err: error }, "no exercise yet");
    return false;
  }
}

/** Throws `request.invalid`: none is configured, one runs, or the certificate is not well. */
export async function beginExercise(
  { store, settings, services, clock }: Pick<Context, "store" | "settings" | "services" | "clock">,
  { by, why }: { readonly by: string | null; readonly why: string | null },
): Promise<Exercise> {
  const { exercise } = settings.alerts;
  const certificate = exercise === null ? null : services.certificate(exercise.certificate);
  const [target] = certificate?.targets ?? [];
  if (exercise === null || certificate === null || target === undefined)
    throw refused("no certificate is configured to be broken: see `exercise` in docs/alerts.md");
  return store.transaction(async (tx) => {
    await tx.certificates.lock([certificate.name]);
    const now = clock.now();
    const problem = await exerciseProblem(tx, services, certificate.name, now);
    if (problem !== null) throw refused(problem);
    const generation = (await tx.versions.latest(certificate.name))?.generation ?? 0;
    const begun: Exercise = {
      ...{ id: randomUUID(), certificate: certificate.name, target, generation },
      ...{ startedAt: now, by, withinMs: exercise.acknowledgeMs, brokenAt: null, problem: null, alert: null, step: 0 },
      ...{ notifiedAt: null, acknowledgedAt: null, acknowledgedBy: null, endedAt: null, outcome: null },
      finishedAt: null,
    };
    await tx.exercises.save(begun);
    const until = exerciseBound(begun);
    await tx.certificates.update(certificate.name, { pausedAt: now, pausedUntil: until, pausedReason: EXERCISED });
    const of = { at: now, certificate: certificate.name, renewalId: null };
    const detail = { exercise: begun.id, by, ...(why !== null && { why }) };
    await tx.events.append({ ...of, type: "exercise.started", target, detail });
    const paused = { reason: EXERCISED, until, by };
    await tx.events.append({ ...of, type: "certificate.paused", target: null, detail: paused });
    return begun;
  });
}

/** Why none can begin now, one sentence; null: one can. */
export async function exerciseProblem(
  store: Store,
  services: Pick<Context["services"], "certificate">,
  name: string,
  now: number,
): Promise<string | null> {
  if ((await store.exercises.running()).length > 0) return "an exercise runs already: see `renewd alerts`";
  const facts = await factsOf(store, services, name);
  const before = await openAlertOf(store, name);
  const obstacle = facts === null ? "no planner has seen it yet" : exerciseObstacle(facts, now);
  if (obstacle !== null) return `${name} cannot be broken now: ${obstacle}`;
  // A person who acknowledges that one would acknowledge this exercise before it began.
  return before && `${name} cannot be broken now: alert ${before.id} of the last exercise is not over yet`;
}

function refused(message: string): RenewalError {
  return new RenewalError("request.invalid", message);
}

async function follow(context: Context, { id }: Exercise): Promise<void> {
  const { store, services, settings, clock } = context;
  const exercise = await store.transaction(async (tx) => {
    const current = await runningOne(tx, id);
    if (current === null || current.endedAt !== null) return current;
    await tx.certificates.lock([current.certificate]);
    const facts = await factsOf(tx, services, current.certificate);
    const alert = await alertOf(tx, current);
    const next = exerciseAfter(
      current,
      {
        isConfigured: facts !== null && settings.alerts.exercise?.certificate === current.certificate,
        alert,
        notifiedAt: alert && (await notifiedAt(tx, alert)),
        isPutRight: facts !== null && isPutRight(facts),
      },
      clock.now(),
    );
    if (JSON.stringify(next) === JSON.stringify(current)) return current;
    await tx.exercises.save(next);
    if (next.endedAt !== null) await appendEnd(tx, next);
    return next;
  });
  if (exercise !== null && exercise.endedAt !== null) await putRight(context, exercise);
}

/** As it is now: a deployer may have broken the certificate meanwhile. */
async function runningOne(tx: Store, id: string): Promise<Exercise | null> {
  return (await tx.exercises.running()).find((each) => each.id === id) ?? null;
}

/** Not by instants: who broke it and who judges may have clocks that differ. */
async function alertOf(tx: Store, { certificate, brokenAt, alert }: Exercise): Promise<Alert | null> {
  if (brokenAt === null) return null;
  const known = alert === null ? null : await tx.alerts.get(alert);
  if (known !== null && (known.resolvedAt === null || known.acknowledgement !== null)) return known;
  return (await openAlertOf(tx, certificate)) ?? known;
}

/** None begins while the one of the last is open, so it is of the exercise that runs. */
async function openAlertOf({ alerts }: Store, certificate: string): Promise<Alert | null> {
  const open = await alerts.open();
  return open.find(({ rule, affected }) => rule === "exercise" && affected.includes(certificate)) ?? null;
}

/** An alert that no receiver took has reached nobody. */
async function notifiedAt(tx: Store, { id }: Alert): Promise<number | null> {
  const receipts = await tx.alerts.receipts({ alerts: [id], limit: RECEIPTS_MAX });
  const sent = receipts.filter(({ outcome }) => outcome === "sent").map(({ at }) => at);
  return sent.length === 0 ? null : Math.min(...sent);
}

function appendEnd(tx: Store, exercise: Exercise): Promise<void> {
  const { id, certificate, target, outcome, acknowledgedAt, acknowledgedBy, brokenAt, endedAt } = exercise;
  const tookMs = acknowledgedAt === null || brokenAt === null ? null : Math.max(0, acknowledgedAt - brokenAt);
  return tx.events.append({
    ...{ at: endedAt ?? 0, type: "exercise.ended", certificate, renewalId: null, target },
    detail: { exercise: id, outcome, tookMs, by: acknowledgedBy },
  });
}

/**
 * A normal renewal: its new generation is one that no late deployer of the broken pair may replace. Where none can be
 * had, the end of the pause lets the planner deploy the version that there is.
 */
async function putRight(context: Context, exercise: Exercise): Promise<void> {
  const { store, services, clock, log } = context;
  const { id, certificate } = exercise;
  const before = await factsOf(store, services, certificate);
  // Who was killed while breaking it has not said so.
  if (before !== null && (exercise.brokenAt !== null || !isPutRight(before))) {
    try {
      // The same id every time: it is asked for once, and what becomes of it is the planner's.
      await requestRenewal(context, {
        ...{ id, certificate, force: true, requestedBy: "renewd (exercise)" },
        reason: "the exercise is over",
      });
    } catch (thrown) {
      log.warn({ certificate, err: toRenewalError(thrown) }, "no renewal after the exercise; its version is deployed");
    }
  }
  const record = await store.certificates.get(certificate);
  if (record !== null && record.pausedAt !== null && record.pausedReason === EXERCISED)
    await resume(store, certificate, clock.now(), { why: "the exercise is over" });
  const facts = await factsOf(store, services, certificate);
  if (facts === null || isExerciseOver(exercise, facts))
    await store.exercises.save({ ...exercise, finishedAt: clock.now() });
}

/** null: the certificate left the configuration, or no planner has seen it. */
async function factsOf(
  store: Store,
  services: Pick<Context["services"], "certificate">,
  name: string,
): Promise<ExerciseFacts | null> {
  const certificate = services.certificate(name);
  const record = await store.certificates.get(name);
  if (certificate === null || record === null || record.removedAt !== null) return null;
  return {
    ...{ certificate, record, version: await store.versions.latest(name) },
    active: await store.renewals.active(name),
    deployments: await store.deployments.list(name),
    endpoints: await store.observations.statuses(name),
  };
}
