import type { Alert } from "../../domain/alert.ts";
import type { AlertSettings } from "../../domain/alertSettings.ts";
import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../../domain/deployment.ts";
import { endpointKey } from "../../domain/endpoint.ts";
import type { Exercise, ExerciseOutcome } from "../../domain/exercise.ts";
import type { Maintenance } from "../../domain/maintenance.ts";
import type { Renewal } from "../../domain/renewal.ts";
import { formatDuration, formatInstant, MINUTE_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { type Fault, NOWHERE } from "./alerts/faults.ts";
import { isQuiet } from "./alerts/quietHours.ts";

/** It is given up when it has not been possible to break the certificate for so long. */
const BREAK_MAX_MS = 10 * MINUTE_MS;
/** After the limit, if no planner is left to end the exercise, the pause of the certificate ends all the same. */
const SLACK_MS = 10 * MINUTE_MS;

export interface ExerciseFacts {
  readonly certificate: Certificate;
  readonly record: CertificateRecord;
  /** The latest. */
  readonly version: Version | null;
  readonly active: Renewal | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
}

/** Why the certificate cannot be broken now: what is broken already proves nothing. null: it can. Pure. */
export function exerciseObstacle(facts: ExerciseFacts, now: number): string | null {
  const { record, version, active, certificate } = facts;
  if (version === null) return "it was never issued";
  if (active !== null) return `its renewal ${active.id} is ${active.state}`;
  if (record.pausedAt !== null && (record.pausedUntil ?? now + 1) > now) return "it is paused";
  if (version.leaf.notAfter <= now) return "it has expired";
  return isWell(facts) ? null : `not every endpoint and target of ${certificate.name} has its latest version`;
}

/** Every target holds the latest version, and the last look at every endpoint proved it. */
function isWell(facts: ExerciseFacts): boolean {
  const { version, certificate, endpoints } = facts;
  const proved = endpoints.filter((each) => each.generation === version?.generation && each.proved);
  const keys = certificate.endpoints.map(endpointKey);
  return isPutRight(facts) && keys.every((key) => proved.some(({ endpoint }) => endpoint === key));
}

/**
 * Whether the schedule wants one now. A mail at night would measure sleep: it begins after the quiet hours, and after a
 * freeze of its certificate. A maintenance window does not hold it: those are at night. Pure.
 */
export function isExerciseDue(
  last: Exercise | null,
  { freezes }: Pick<Maintenance, "freezes">,
  { exercise, quietHours }: Pick<AlertSettings, "exercise" | "quietHours">,
  now: number,
): boolean {
  if (exercise === null || (quietHours !== null && isQuiet(quietHours, now))) return false;
  if (freezes.some(({ from, until }) => from <= now && now < until)) return false;
  return last === null || apart(last.startedAt, now) >= exercise.everyMs;
}

/** Until when nothing puts the certificate right by itself, even if every planner dies. */
export function exerciseBound({ startedAt, withinMs }: Pick<Exercise, "startedAt" | "withinMs">): number {
  return startedAt + BREAK_MAX_MS + withinMs + SLACK_MS;
}

export interface ExerciseProgress {
  /** Whether the configuration still names this certificate for exercises. */
  readonly isConfigured: boolean;
  /** The alert that the break raised; null: none yet. */
  readonly alert: Alert | null;
  /** When a channel's receiver first took a message about it; null: none has. */
  readonly notifiedAt: number | null;
  /** Somebody has deployed a good pair meanwhile. */
  readonly isPutRight: boolean;
}

/** What is known of an exercise that has not ended; with an outcome it ends. Pure. */
export function exerciseAfter(
  before: Exercise,
  { alert, notifiedAt, ...facts }: ExerciseProgress,
  now: number,
): Exercise {
  const exercise: Exercise = {
    ...before,
    alert: alert?.id ?? before.alert,
    notifiedAt: before.notifiedAt ?? notifiedAt,
    acknowledgedAt: alert?.acknowledgement?.at ?? null,
    acknowledgedBy: alert?.acknowledgement === null || alert === null ? null : (alert.acknowledgement.by ?? "somebody"),
    step: alert?.step ?? before.step,
  };
  const outcome = outcomeOf(exercise, facts, now);
  return outcome === null ? exercise : { ...exercise, outcome, endedAt: now };
}

function outcomeOf(
  { startedAt, brokenAt, notifiedAt, acknowledgedAt, withinMs }: Exercise,
  { isConfigured, isPutRight }: Omit<ExerciseProgress, "alert" | "notifiedAt">,
  now: number,
): ExerciseOutcome | null {
  if (acknowledgedAt !== null) return "acknowledged";
  if (!isConfigured) return "cancelled";
  if (brokenAt === null) return apart(startedAt, now) >= BREAK_MAX_MS ? "failed" : null;
  if (isPutRight) return "cancelled";
  if (apart(brokenAt, now) < withinMs) return null;
  return notifiedAt === null ? "unnoticed" : "unacknowledged";
}

/**
 * Another machine's clock, or one that was put back a little, must neither end an exercise nor begin one: ms between the
 * two, whichever is first. After a clock that was wrong by months it still ends.
 */
function apart(at: number, now: number): number {
  return Math.abs(now - at);
}

/** Whether it is proved live again since it was put right. */
export function isExerciseOver({ endedAt }: Exercise, facts: ExerciseFacts): boolean {
  const looks = facts.endpoints.filter(({ generation }) => generation === facts.version?.generation);
  const isSeen = looks.every(({ roundEndedAt }) => roundEndedAt !== null && roundEndedAt >= (endedAt ?? 0));
  return facts.active === null && isSeen && isWell(facts);
}

/** Whether every target counts as holding the latest version: a broken one does not, until somebody deploys again. */
export function isPutRight({ version, certificate, deployments }: Omit<ExerciseFacts, "record">): boolean {
  return (
    version !== null &&
    certificate.targets.every((target) =>
      deployments.some((each) => each.target === target && each.deployedGeneration === version.generation),
    )
  );
}

/**
 * The last exercise that came to an end by itself showed that people are not reached, or do not answer: the next
 * escalation step hears of it. One that runs, or was cancelled, shows nothing yet. `runs`: newest first. Pure.
 */
export function unansweredFault(
  runs: readonly Exercise[],
  { escalation, exercise }: Pick<AlertSettings, "escalation" | "exercise">,
): Fault | null {
  const last = runs.find(({ outcome }) => outcome !== null && outcome !== "cancelled");
  if (exercise === null || last === undefined || last.outcome === null) return null;
  const what = UNANSWERED[last.outcome]?.(last) ?? null;
  if (what === null) return null;
  return {
    ...{ rule: "exerciseUnanswered", certificate: null, place: { ...NOWHERE, subject: last.certificate }, code: null },
    ...{ severity: "page", what, level: 0, isLast: false, expiresAt: null },
    action:
      "See `renewd alerts` for who was to answer and whether they were reached. It ends when somebody acknowledges an " +
      "exercise in time: `renewd alerts exercise` begins one.",
    step: Math.min(last.step + 1, escalation.length),
  };
}

const UNANSWERED: Readonly<Partial<Record<ExerciseOutcome, (last: Exercise) => string>>> = {
  unacknowledged: ({ certificate, brokenAt, withinMs }) =>
    `nobody acknowledged that ${certificate} was broken, as an exercise, within ${formatDuration(withinMs)} ` +
    `(since ${formatInstant(brokenAt ?? 0)})`,
  unnoticed: ({ certificate, brokenAt, withinMs }) =>
    `${certificate} was broken, as an exercise, for ${formatDuration(withinMs)} and nobody was notified ` +
    `(since ${formatInstant(brokenAt ?? 0)})`,
  failed: ({ certificate, problem, startedAt }) =>
    `${certificate} could not be broken for an exercise (${formatInstant(startedAt)}): ${problem ?? "no deployer did it"}`,
};
