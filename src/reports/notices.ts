import type { EventType, HistoryEvent } from "../domain/event.ts";
import { type Heartbeat, isLive } from "../domain/heartbeat.ts";
import { type LeftTarget, leftPlaces } from "../domain/leftTarget.ts";
import type { ChannelCursor } from "../domain/notification.ts";
import { formatDuration, formatInstant } from "../domain/time.ts";
import { HISTORY_ACTION } from "../renewal/rules/notificationRules.ts";
import { partName } from "../renewal/rules/plannerParts.ts";
import { isDistrusted, suggestionFor } from "../renewal/rules/suggestion.ts";
import { vantagesOf } from "../renewal/rules/vantages.ts";
import { type Member, planDecisionOf, progressOf } from "./fleet.ts";

export const NOTICE_KINDS = [
  "clock",
  "database",
  "disk",
  "key",
  "configuration",
  "redis",
  "role",
  "process",
  "port",
  "directory",
  "reload",
  "queue",
  "planner",
  "proof",
  "channel",
  "load",
  "window",
  "rehearsal",
  "leftovers",
  "unmanaged",
  "heartbeat",
  "peer",
  "watched",
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** The file of the one who asks has mistakes; its path comes first in what is said of it. */
export const WRONG_FILE = "configuration/file";

/** Something about renewd itself: a person must look although no single certificate is to blame. */
export interface Notice {
  /** Names the finding for `renewd acknowledge`; the same as long as its cause is. */
  readonly id: string;
  readonly kind: NoticeKind;
  readonly what: string;
  readonly action: string;
  readonly needsPerson: boolean;
  readonly certificates: readonly string[];
}

/** A planner checks what is due within a minute; ten times that is no delay any more. */
export const OVERDUE_MS = 600_000;
const NAMED_MAX = 20;
const EXPLANATIONS_MAX = 3;

/**
 * What the planner should have seen or done. Without a planner its absence is the finding, and these would repeat it.
 * `total`: how many certificates there are; those that are not in `fleet` are known to be well.
 */
export function planningNotices(fleet: readonly Member[], total: number, now: number): Notice[] {
  const unseen = fleet.filter(({ record }) => record === null);
  const overdue = fleet.filter((member) => isOverdue(member, now));
  const since = Math.min(now, ...overdue.map(({ record }) => record?.nextCheckAt ?? now));
  const late = since < now ? `, due for ${formatDuration(now - since)}` : "";
  return [
    notice(unseen, {
      id: "planner/unseen",
      kind: "planner",
      what: `the planner has not loaded ${amount(unseen, total)} yet`,
      action: "Reload it: `systemctl reload renewd`, or SIGHUP.",
      needsPerson: true,
    }),
    notice(overdue, {
      id: "planner/overdue",
      kind: "planner",
      what: `the planner has not checked ${amount(overdue, total)}${late}`,
      action: "See the planner's log; if it does not say why, restart it: `renewd worker planner`.",
      needsPerson: true,
    }),
  ].filter((each) => each !== null);
}

/** What the fleet shows about CAs, rehearsals and the configuration. */
export function noticesOf(fleet: readonly Member[], total: number, now: number): Notice[] {
  const differing = fleet.filter(({ record, certificate }) => record !== null && record.digest !== certificate.digest);
  return [
    ...explained(fleet, total, now),
    distrusted(fleet),
    rehearsed(fleet, total),
    notice(differing, {
      id: "configuration/differs",
      kind: "configuration",
      what: `the file differs from what the planner has loaded for ${amount(differing, total)}`,
      action: "Reload the planner: `systemctl reload renewd`, or SIGHUP.",
      needsPerson: false,
    }),
  ].filter((each) => each !== null);
}

/** Endpoints that nobody has dialled for longer than promised: nothing is known about them any more. */
export function staleProofs(
  fleet: readonly Member[],
  { total, observeMs }: { readonly total: number; readonly observeMs: number },
  now: number,
): Notice | null {
  // Of a silent vantage the missing verifier is the finding.
  const isSeen = ({ certificate, silent }: Member): boolean =>
    !vantagesOf(certificate.endpoints).some((vantage) => silent.has(vantage));
  const found = fleet.filter(
    (member) => member.active === null && isSeen(member) && progressOf(member).unknownSince !== null,
  );
  const since = Math.min(now, ...found.map((member) => progressOf(member).unknownSince ?? now));
  return notice(found, {
    id: "proof/unknown",
    kind: "proof",
    what:
      `nobody has dialled the endpoints of ${amount(found, total)} for ${formatDuration(now - since)}: ` +
      `what they serve is unknown since ${formatInstant(since)}`,
    action: `Let a verifier run: it dials each every ${formatDuration(observeMs)}. If one runs, see its log.`,
    needsPerson: true,
  });
}

export const LOAD_EVENTS: readonly EventType[] = ["worker.concurrency"];
/**
 * Workers whose latest word is that they take fewer jobs than configured. Of a process that has ended since, nobody says
 * that it recovered. `events`: oldest first.
 */
export function slowedWorkers(events: readonly HistoryEvent[], beats: readonly Heartbeat[], now: number): Notice[] {
  const latest = new Map(events.map((event) => [`${event.worker} ${event.detail.kind}`, event]));
  const live = new Set(beats.filter((beat) => isLive(beat, now)).map(({ process }) => process));
  return [...latest.values()]
    .filter(({ worker, detail }) => Number(detail.jobs) < Number(detail.max) && live.has(worker))
    .map(({ worker, detail }) => ({
      id: `load/${worker}/${detail.kind}`,
      kind: "load",
      what: `${worker} was too busy while ${detail.kind} jobs ran and takes fewer than ${detail.max} at a time`,
      action: `Lower \`workers.${detail.kind}\`, give it more CPU, or start the worker on another machine as well.`,
      needsPerson: false,
      certificates: [],
    }));
}

/** Nothing is removed unasked, so a private key may be left where nobody looks for it. */
export function leftTargets(left: readonly LeftTarget[]): Notice[] {
  if (left.length === 0) return [];
  const places = left.flatMap((one) => leftPlaces(one).map((place) => `${place} (target ${one.target})`));
  const shown = places.slice(0, EXPLANATIONS_MAX).join(", ");
  const more = places.length > EXPLANATIONS_MAX ? ` and ${places.length - EXPLANATIONS_MAX} more` : "";
  return [
    {
      id: "leftovers",
      kind: "leftovers",
      what:
        "pairs with private keys are left where targets put them that left the configuration or write " +
        `elsewhere now: ${shown}${more}`,
      action:
        "See them with `renewd leftovers`. Once no server reads them: `renewd leftovers --remove`, on their machine. " +
        "If you removed them by hand: `renewd leftovers --forget`.",
      needsPerson: false,
      certificates: [...new Set(left.map(({ certificate }) => certificate))].slice(0, NAMED_MAX),
    },
  ];
}

/** Whoever is not reached does not know that nobody is told: so this is said where people look. */
export function silentChannels(cursors: readonly ChannelCursor[]): Notice[] {
  return cursors
    .filter(({ failures, lastErrorMessage }) => failures > 0 || lastErrorMessage !== null)
    .map(({ channel, failures, lastErrorMessage }) => ({
      id: `channel/${channel}`,
      kind: "channel",
      what:
        failures === 0
          ? `channel ${channel} did not take a message, which was given up: ${lastErrorMessage}`
          : `channel ${channel} has failed ${failures} time${failures === 1 ? "" : "s"} in a row: ` +
            `${lastErrorMessage ?? "unknown"}`,
      action: `Fix it, then try it: \`renewd notify ${channel}\`.`,
      needsPerson: true,
      certificates: [],
    }));
}

export const PART_EVENTS = ["planner.partFailed", "planner.partRecovered"] as const satisfies readonly EventType[];

/** Parts of the planner whose last event says that they fail. `events`: oldest first. */
export function failingParts(events: readonly HistoryEvent[]): Notice[] {
  const newest = new Map(events.map((event) => [event.detail.part, event]));
  return [...newest.values()]
    .filter(({ type }) => type === "planner.partFailed")
    .map(({ detail: { part, message, action } }) => ({
      id: `planner/${part}`,
      kind: "planner",
      what: `the planner is not ${partName(String(part))}: ${message}`,
      action: String(action),
      needsPerson: true,
      certificates: [],
    }));
}

export const HISTORY_EVENTS = [
  ...(["store.rolledBack", "history.pruneStopped", "history.accepted"] as const),
] satisfies readonly EventType[];

/** What somebody did to the history, until a person has accepted it. `events`: oldest first. */
export function alteredHistory(events: readonly HistoryEvent[]): Notice[] {
  const open = events.slice(events.findLastIndex(({ type }) => type === "history.accepted") + 1);
  const newest = new Map(open.map((event) => [event.type, event]));
  return [...newest.values()].map(({ type, detail: { number } }) => ({
    id: `history/${type}`,
    kind: "database",
    what:
      type === "store.rolledBack"
        ? `the history was put back or deleted: event ${number}, which this installation has seen, is gone`
        : `event ${number} is not as renewd wrote it, so no old event is removed any more`,
    action: HISTORY_ACTION,
    needsPerson: true,
    certificates: [],
  }));
}

/** A CA that moves windows says why: people read it before they wonder about a wave of renewals. */
function explained(fleet: readonly Member[], total: number, now: number): (Notice | null)[] {
  const urlOf = ({ version, renewalInfo }: Member): string | null =>
    version === null ? null : (suggestionFor(version, renewalInfo)?.explanationUrl ?? null);
  const byUrl = Map.groupBy(
    fleet.filter((member) => urlOf(member) !== null),
    urlOf,
  );
  return [...byUrl].slice(0, EXPLANATIONS_MAX).map(([url, members]) => {
    const due = members.filter((member) => (member.renewalInfo?.renewAt ?? 0) <= now).length;
    return notice(members, {
      id: `window/${url}`,
      kind: "window",
      what: `the CA explains the renewal window of ${amount(members, total)} (${due} due now): ${url}`,
      action: "Read it; renewd renews when the CA asks.",
      needsPerson: false,
    });
  });
}

/** Until its windows make sense again, the CA cannot ask for a replacement, not even after a revocation. */
function distrusted(fleet: readonly Member[]): Notice | null {
  return notice(
    fleet.filter(({ renewalInfo }) => renewalInfo !== null && isDistrusted(renewalInfo)),
    {
      id: "window/ignored",
      kind: "window",
      what:
        "the CA asks to replace at once what it has just issued; its renewal windows are ignored and the " +
        "own window applies",
      action: "Report it to the CA. renewd believes its windows again after one that begins in the future.",
      needsPerson: true,
    },
  );
}

/** Weeks before the renewal that would fail for it. */
function rehearsed(fleet: readonly Member[], total: number): Notice | null {
  const failed = fleet.filter(({ record }) => record?.rehearsalProblem != null);
  const [first] = failed;
  const example = failed.length > 1 ? ` (${first?.certificate.name})` : "";
  return notice(failed, {
    id: "rehearsal",
    kind: "rehearsal",
    what: `the last rehearsal of ${amount(failed, total)} failed: ${first?.record?.rehearsalProblem}${example}`,
    action: `Fix it before its renewal is due, then \`renewd rehearse ${first?.certificate.name}\`.`,
    needsPerson: true,
  });
}

/** The planner should have checked it by now. */
export function isOverdue(member: Member, now: number): boolean {
  const { record, active } = member;
  if (record === null || active !== null) return false;
  return record.nextCheckAt === null ? !waitsForPerson(member, now) : record.nextCheckAt < now - OVERDUE_MS;
}

/** Paused until it is resumed, or only observed: the planner has put it aside and rightly does not come back to it. */
function waitsForPerson(member: Member, now: number): boolean {
  try {
    const decision = planDecisionOf(member, now);
    return decision !== null && !decision.due && decision.until === null;
  } catch {
    return false;
  }
}

function notice(members: readonly Member[], facts: Omit<Notice, "certificates">): Notice | null {
  if (members.length === 0) return null;
  return { ...facts, certificates: members.slice(0, NAMED_MAX).map(({ certificate }) => certificate.name) };
}

function amount(members: readonly Member[], total: number): string {
  const [first] = members;
  if (members.length === 1 && first !== undefined) return `certificate ${first.certificate.name}`;
  return members.length === total ? `all ${total} certificates` : `${members.length} of ${total} certificates`;
}
