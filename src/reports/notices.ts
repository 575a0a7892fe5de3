import { ERRORS } from "../domain/errorTable.ts";
import type { EventType, HistoryEvent } from "../domain/event.ts";
import type { ChannelCursor } from "../domain/notification.ts";
import { DAY_MS, formatDuration } from "../domain/time.ts";
import { openClockProblems } from "../renewal/rules/clock.ts";
import { partName } from "../renewal/rules/plannerParts.ts";
import { isDistrusted, suggestionFor } from "../renewal/rules/suggestion.ts";
import type { Member } from "./fleet.ts";

/** Something about renewd itself: a person must look although no single certificate is to blame. */
export interface Notice {
  readonly what: string;
  readonly action: string;
  readonly needsPerson: boolean;
  readonly certificates: readonly string[];
}

/** A planner looks at what is due within a minute; ten times that is no delay any more. */
const OVERDUE_MS = 600_000;
const NAMED_MAX = 20;
const EXPLANATIONS_MAX = 3;

/** A silent planner is how certificates expire with nobody told, so it is looked for here and not only in its own log. */
export function noticesOf(fleet: readonly Member[], now: number): Notice[] {
  const unseen = fleet.filter(({ record }) => record === null);
  const overdue = fleet.filter(
    ({ record, active }) => active === null && record !== null && isOverdue(record.nextCheckAt, now),
  );
  const differing = fleet.filter(({ record, certificate }) => record !== null && record.digest !== certificate.digest);
  const since = Math.min(...overdue.map(({ record }) => record?.nextCheckAt ?? now));
  return [
    notice(
      unseen,
      `no planner has seen ${amount(unseen, fleet)}`,
      "Start one with `renewd run` or `renewd worker planner`, or reload it with SIGHUP.",
      true,
    ),
    notice(
      overdue,
      `no planner has looked at ${amount(overdue, fleet)}, due since ${formatDuration(now - since)}`,
      "Start one with `renewd run` or `renewd worker planner`; if one runs, see its log.",
      true,
    ),
    ...explained(fleet, now),
    distrusted(fleet),
    rehearsed(fleet),
    notice(
      differing,
      `this configuration differs from the planner's for ${amount(differing, fleet)}`,
      "Reload the planner with SIGHUP.",
      false,
    ),
  ].filter((each) => each !== null);
}

export const LOAD_EVENTS: readonly EventType[] = ["worker.concurrency"];
/** Of a process that has ended since, nobody says that it recovered. */
const SLOWED_SHOWN_MS = DAY_MS;

/** Workers whose latest word is that they take fewer jobs than configured. `events`: oldest first. */
export function slowedWorkers(events: readonly HistoryEvent[], now: number): Notice[] {
  const latest = new Map(events.map((event) => [`${event.worker} ${event.detail.kind}`, event]));
  return [...latest.values()]
    .filter(({ at, detail }) => Number(detail.jobs) < Number(detail.max) && now - at < SLOWED_SHOWN_MS)
    .map(({ worker, detail }) => ({
      what: `${worker} was too busy to renew the leases of ${detail.max} ${detail.kind} jobs and takes fewer at a time`,
      action: `Lower \`workers.${detail.kind}\`, give it more CPU, or start the worker on another machine as well.`,
      needsPerson: false,
      certificates: [],
    }));
}

/** First of all: while a machine's clock is wrong, its planner, workers and dates cannot be believed. */
export function clockNotices(events: readonly HistoryEvent[]): Notice[] {
  return openClockProblems(events).map(({ host, message }) => ({
    what: `${host} has stopped all its work: ${message}`,
    action: ERRORS["clock.skewed"].action,
    needsPerson: true,
    certificates: [],
  }));
}

/** Whoever is not reached does not know that nobody is told: so this is said where people look. */
export function silentChannels(cursors: readonly ChannelCursor[]): Notice[] {
  return cursors
    .filter(({ failures }) => failures > 0)
    .map(({ channel, failures, lastErrorMessage }) => ({
      what: `channel ${channel} has failed ${failures} time${failures === 1 ? "" : "s"} in a row: ${lastErrorMessage ?? "unknown"}`,
      action: `Mend it and try it: \`renewd notify ${channel}\`.`,
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
      what: `the planner is not ${partName(String(part))}: ${message}`,
      action: String(action),
      needsPerson: true,
      certificates: [],
    }));
}

/** A CA that moves windows says why: people read it before they wonder about a wave of renewals. */
function explained(fleet: readonly Member[], now: number): (Notice | null)[] {
  const urlOf = ({ version, renewalInfo }: Member): string | null =>
    version === null ? null : (suggestionFor(version, renewalInfo)?.explanationUrl ?? null);
  const byUrl = Map.groupBy(
    fleet.filter((member) => urlOf(member) !== null),
    urlOf,
  );
  return [...byUrl].slice(0, EXPLANATIONS_MAX).map(([url, members]) => {
    const due = members.filter((member) => (member.renewalInfo?.renewAt ?? 0) <= now).length;
    return notice(
      members,
      `the CA explains the renewal window of ${amount(members, fleet)} (${due} due now): ${url}`,
      "Read it; renewd renews when the CA asks.",
      false,
    );
  });
}

/** Until its windows make sense again, the CA cannot ask for a replacement, not even after a revocation. */
function distrusted(fleet: readonly Member[]): Notice | null {
  return notice(
    fleet.filter(({ renewalInfo }) => renewalInfo !== null && isDistrusted(renewalInfo)),
    "the CA asks to replace at once what it has just issued; its renewal windows are ignored and the own window applies",
    "Report it to the CA. renewd believes its windows again after one that begins in the future.",
    true,
  );
}

/** Weeks before the renewal that would fail for it. */
function rehearsed(fleet: readonly Member[]): Notice | null {
  const failed = fleet.filter(({ record }) => record?.rehearsalProblem != null);
  const [first] = failed;
  const example = failed.length > 1 ? ` (${first?.certificate.name})` : "";
  return notice(
    failed,
    `the last rehearsal of ${amount(failed, fleet)} failed: ${first?.record?.rehearsalProblem}${example}`,
    `Mend it before a renewal comes to it, then \`renewd rehearse ${first?.certificate.name}\`.`,
    true,
  );
}

function isOverdue(nextCheckAt: number | null, now: number): boolean {
  return nextCheckAt === null || nextCheckAt < now - OVERDUE_MS;
}

function notice(members: readonly Member[], what: string, action: string, needsPerson: boolean): Notice | null {
  if (members.length === 0) return null;
  return {
    what,
    action,
    needsPerson,
    certificates: members.slice(0, NAMED_MAX).map(({ certificate }) => certificate.name),
  };
}

function amount(members: readonly Member[], fleet: readonly Member[]): string {
  const [first] = members;
  if (members.length === 1 && first !== undefined) return `certificate ${first.certificate.name}`;
  return members.length === fleet.length
    ? `any of ${fleet.length} certificates`
    : `${members.length} of ${fleet.length} certificates`;
}
