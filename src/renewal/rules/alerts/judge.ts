import type { Alert, AlertMember, AlertRule } from "../../../domain/alert.ts";
import { DAY_MS } from "../../../domain/time.ts";
import { causeOf, type Fault } from "./faults.ts";
import type { JudgeInput } from "./judgeInput.ts";
import { elapsed, hasNoEnd, isPhased } from "./lasting.ts";
import type { AlertMessage } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { rank } from "./routing.ts";

export interface Judgement {
  /** What has to be written. */
  readonly alerts: readonly Alert[];
  readonly messages: readonly AlertMessage[];
  readonly recent: readonly number[];
}

/** Judged whole each time, so that they are over when they are not named. */
const STANDING: readonly AlertRule[] = [
  ...(["channel", "heartbeat", "peer", "exerciseUnanswered", "horizon", "vantageSilent", "watchSilent"] as const),
  "processLost",
];
/** A cause that is only reported, and again every few hours while it lasts, is over after this. */
const SILENT_MS = DAY_MS;

/** Which alerts there are now, and what people are sent about them. Pure. */
export function judge(input: JudgeInput): Judgement {
  const { now, settings } = input;
  const merged = mergeSignals(input, mergeFaults(input));
  const settled = merged.map((alert) => settle(alert, input));
  const outbox = new Outbox(input);
  const alerts = settled.map((alert) => outbox.add(alert));
  const ended = outbox.endDigest(alerts);
  const before = new Map(input.open.map((alert) => [alert.id, alert]));
  return {
    alerts: ended.filter((alert) => JSON.stringify(before.get(alert.id)) !== JSON.stringify(alert)),
    messages: outbox.messages,
    recent: [...input.recent, ...outbox.openings].filter((at) => elapsed(at, now) < settings.storm.windowMs),
  };
}

/** Members whose records were judged leave, and come back with what was found. */
function mergeFaults({ open, judged, faults, origins, newId, now }: JudgeInput): Alert[] {
  const groups = Map.groupBy(faults, causeOf);
  const alerts = open.map((alert): Alert => {
    const found = groups.get(alert.cause) ?? [];
    groups.delete(alert.cause);
    const isReported = found.length === 0 && alert.members.length > 0 && hasNoEnd(alert.rule);
    if (isReported) return alert;
    const stayed = alert.members.filter(({ certificate }) => !judged.has(certificate));
    return worsened({ ...alert, members: inOrder([...stayed, ...membersOf(found)]) }, found, now);
  });
  for (const [cause, found] of groups) {
    const [first] = found;
    if (first === undefined) continue;
    const { firstBadAt, changed } = origins.get(cause) ?? { firstBadAt: now, changed: [] };
    const { rule, place, code } = first;
    const fresh = { ...emptyAlert(newId(), now), rule, cause, place, code, firstBadAt, changed, step: first.step ?? 0 };
    alerts.push(worsened({ ...fresh, members: inOrder(membersOf(found)) }, found, now));
  }
  return alerts;
}

/** An alert never gets milder while it lasts: what was a page stays one until it is over. */
function worsened(alert: Alert, found: readonly Fault[], now: number): Alert {
  const worst = found.toSorted((a, b) => rank(b.severity) - rank(a.severity) || b.level - a.level)[0];
  // What is about renewd itself has a level and no member.
  const levels = [...alert.members, ...found.filter(({ certificate }) => certificate === null)];
  const level = Math.max(0, ...levels.map((each) => each.level));
  const isLast = levels.some((each) => each.isLast);
  const affected = alert.members.length === 0 ? alert.affected : namesOf(alert.members);
  if (worst === undefined) return alert.members.length === 0 ? alert : { ...alert, level, isLast, affected };
  const severity = rank(worst.severity) > rank(alert.severity) ? worst.severity : alert.severity;
  return { ...alert, severity, what: worst.what, action: worst.action, level, isLast, affected, lastBadAt: now };
}

function mergeSignals({ signals, newId, origins, now }: JudgeInput, alerts: readonly Alert[]): Alert[] {
  const byCause = new Map(alerts.map((alert) => [alert.cause, alert]));
  for (const signal of signals) {
    const cause = causeOf({ ...signal, code: null });
    const known = byCause.get(cause);
    if (signal.phase === "ends") {
      if (known !== undefined) byCause.set(cause, { ...known, healthySince: known.healthySince ?? now });
      continue;
    }
    const { changed } = origins.get(cause) ?? { changed: [] };
    const alert = known ?? {
      ...emptyAlert(newId(), now),
      ...{ rule: signal.rule, cause, place: signal.place, firstBadAt: signal.at, changed },
    };
    const { certificate, severity, what, action } = signal;
    const member = certificate === null ? [] : [{ certificate, level: 0, isLast: false, expiresAt: null }];
    const members = inOrder([...alert.members.filter((each) => each.certificate !== certificate), ...member]);
    byCause.set(cause, {
      ...alert,
      severity: rank(severity) > rank(alert.severity) ? severity : alert.severity,
      ...{ what, action, lastBadAt: now, healthySince: null },
      ...{ members, affected: namesOf(members) },
    });
  }
  return [...byCause.values()];
}

/** Whether the cause is there, and since when it is gone. */
function settle(alert: Alert, { now, settings, faults }: JudgeInput): Alert {
  if (hasNoEnd(alert.rule)) {
    const isDone = alert.severity === "page" ? alert.acknowledgement !== null : false;
    const isQuiet = elapsed(alert.lastBadAt, now) >= SILENT_MS && (isPhased(alert.rule) || alert.severity !== "page");
    const gone = alert.healthySince ?? (isDone || isQuiet ? now : null);
    return ended({ ...alert, healthySince: gone }, isDone || isQuiet ? 0 : settings.resolveAfterMs, now);
  }
  const isThere = STANDING.includes(alert.rule)
    ? faults.some((fault) => causeOf(fault) === alert.cause)
    : alert.members.length > 0;
  if (isThere) return { ...alert, healthySince: null };
  return ended({ ...alert, healthySince: alert.healthySince ?? now }, settings.resolveAfterMs, now);
}

function ended(alert: Alert, afterMs: number, now: number): Alert {
  if (alert.healthySince === null) return alert;
  // What nobody was notified of ends without a word.
  const waitMs = alert.notifiedAt === null ? 0 : afterMs;
  return elapsed(alert.healthySince, now) >= waitMs ? { ...alert, resolvedAt: now } : alert;
}

function membersOf(found: readonly Fault[]): AlertMember[] {
  return found.flatMap(({ certificate, level, isLast, expiresAt }) =>
    certificate === null ? [] : [{ certificate, level, isLast, expiresAt }],
  );
}

function namesOf(members: readonly AlertMember[]): string[] {
  return members.map(({ certificate }) => certificate);
}

function inOrder(members: readonly AlertMember[]): AlertMember[] {
  return members.toSorted((a, b) => (a.certificate < b.certificate ? -1 : 1));
}

function emptyAlert(id: string, now: number): Alert {
  return {
    ...{
      id,
      rule: "renewalFailed",
      cause: "",
      code: null,
      severity: "info",
      what: "",
      action: null,
      members: [],
      affected: [],
    },
    place: { issuer: null, solver: null, target: null, subject: null },
    ...{ level: 0, isLast: false, firstBadAt: now, openedAt: now, lastBadAt: now, healthySince: null },
    ...{ resolvedAt: null, notifiedAt: null, notified: null, digested: false, channels: [], step: 0 },
    ...{ acknowledgement: null, acknowledgements: 0, changed: [] },
  };
}
