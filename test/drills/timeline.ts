// Reading injections' effects back from the history, which is what people would read too.
import type { HistoryEvent } from "../../src/domain/event.ts";
import type { Injection } from "./drill.ts";
import type { Life } from "./fleet.ts";
import type { World } from "./world.ts";

/** The process that wrote an event. */
export function pidOf({ worker }: Pick<HistoryEvent, "worker">): number {
  return Number(worker.split("/").at(-1));
}

/** The process that took a certificate's renewal on last. */
export async function issuerPid({ system }: World, certificate: string): Promise<number> {
  const [event] = await system.store.events.list({ certificate, types: ["issue.started"], limit: 1 });
  return event === undefined ? 0 : pidOf(event);
}

/** Each instant with the end of the last renewal that was under way then; an instant that met none is left out. */
export async function disturbed({ system }: World, instants: readonly number[], since: number): Promise<Injection[]> {
  const renewals = await system.store.renewals.list({ since, limit: 100_000 });
  return instants.flatMap((at) => {
    const ends = renewals
      .filter(({ createdAt, finishedAt }) => createdAt <= at && finishedAt !== null && finishedAt > at)
      .map(({ finishedAt }) => finishedAt ?? at);
    return ends.length === 0 ? [] : [{ at, convergedAt: Math.max(...ends) }];
  });
}

const STARTS = ["issue.started", "deploy.started", "verify.started"] as const;

/**
 * How long work of each killed process lay until another took it up, in ms. Time in which no worker of its role was up
 * is not counted: at random, both of them may have been killed, and how fast a process starts is the machine's affair.
 * Nor is work whose third worker in a row died: it is suspect then, and waits on purpose.
 */
export async function takeovers({ system, fleet }: World, since: number): Promise<number[]> {
  const events = await system.store.events.list({ since, limit: 1_000_000 });
  const found: number[] = [];
  const killed = new Set(fleet.kills.map(({ pid }) => pid));
  for (const { pid, at } of fleet.kills) {
    if (at < since) continue;
    for (const started of events.filter((event) => isStart(event) && pidOf(event) === pid && event.at <= at)) {
      const later = events.filter((event) => event.seq > started.seq && sameWork(event, started));
      const next = later.find((event) => event.type === started.type && pidOf(event) !== pid);
      if (!hasOutcome(events, started) && next !== undefined && !isSuspect(events, started, killed))
        found.push(timeUp(fleet.lives, pid, at, next.at));
    }
  }
  return found;
}

/** Whether the process that wrote this start also wrote how the work ended. */
function hasOutcome(events: readonly HistoryEvent[], started: HistoryEvent): boolean {
  return events.some(
    (event) =>
      event.seq > started.seq &&
      sameWork(event, started) &&
      pidOf(event) === pidOf(started) &&
      !isStart(event) &&
      isOutcome(event, started),
  );
}

/** Whether the two attempts before this one were killed too. */
function isSuspect(events: readonly HistoryEvent[], started: HistoryEvent, killed: ReadonlySet<number>): boolean {
  const before = events
    .filter((event) => event.seq < started.seq && event.type === started.type && sameWork(event, started))
    .slice(-2);
  return before.length === 2 && before.every((event) => killed.has(pidOf(event)) && !hasOutcome(events, event));
}

/** ms between two instants in which at least one worker of the role of `pid` was up. */
function timeUp(lives: readonly Life[], pid: number, from: number, to: number): number {
  const role = lives.find((life) => life.pid === pid)?.role;
  const spans = lives
    .filter((life) => life.role === role && life.pid !== pid && life.readyAt !== null)
    .map(({ readyAt, endedAt }) => ({ start: Math.max(readyAt ?? to, from), end: Math.min(endedAt ?? to, to) }))
    .toSorted((a, b) => a.start - b.start);
  let [total, reached] = [0, from];
  for (const { start, end } of spans) {
    total += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return total;
}

function isStart({ type }: HistoryEvent): boolean {
  return (STARTS as readonly string[]).includes(type);
}

function sameWork(event: HistoryEvent, started: HistoryEvent): boolean {
  return event.renewalId === started.renewalId && (started.target === null || event.target === started.target);
}

function isOutcome({ type }: HistoryEvent, { type: started }: HistoryEvent): boolean {
  const outcomes: Readonly<Record<string, readonly string[]>> = {
    "issue.started": ["issue.failed", "version.issued"],
    "deploy.started": ["deploy.failed", "deploy.succeeded"],
    "verify.started": ["verify.converged", "verify.stale"],
  };
  return outcomes[started]?.includes(type) ?? false;
}

/** The value below which this share of the values lies; null: there are none. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? null;
}
