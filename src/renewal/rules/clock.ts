import type { HistoryEvent } from "../../domain/event.ts";
import { CLOCK_SKEW_MAX_MS } from "../../domain/lease.ts";
import { DAY_MS, formatDuration, HOUR_MS } from "../../domain/time.ts";

/** This release was written then: no clock that is right shows an earlier date. */
const RELEASED_AT = Date.UTC(2026, 10, 1);
/** A fleet that runs writes something every day, if only which endpoint is dialled next. */
const QUIET_MAX_MS = 2 * DAY_MS;
/** After a restart, a clock this far behind or before the last write is no longer what wrote it. */
const RESTART_MAX_MS = 2 * HOUR_MS;

/** What one clock that is not this machine's says about this machine's. */
export interface ClockWitness {
  /** For people: `the CA's clock (issuer "le")`. */
  readonly name: string;
  /** Its host: two issuers of one CA are one witness. */
  readonly origin: string;
  /** The issuers whose CA it is; empty: a database or Redis server. */
  readonly issuers: readonly string[];
  /** How far it is ahead of ours; null: it is sure to differ, by an unknown amount. */
  readonly aheadMs: number | null;
  /** What it says, for witnesses with an unknown amount. */
  readonly says?: string;
}

/** What this machine itself knows. */
export interface OwnClock {
  readonly now: number;
  /** By how much the wall clock moved against the monotonic one since it was last believed. */
  readonly steppedMs: number;
  /** When renewd last wrote to the database, about; null: never. */
  readonly lastWriteAt: number | null;
  /** When a CA last agreed with it while this process ran; null: never. */
  readonly confirmedAt: number | null;
}

export interface Dissent {
  readonly witness: ClockWitness;
  readonly message: string;
  /**
   * No CA agrees with this machine, so that nothing can be issued until a person has found out which clock is wrong.
   */
  readonly stopsIssuing: boolean;
}

export interface ClockVerdict {
  /** Why nothing may be decided by this machine's clock; null: it is believed. */
  readonly problem: string | null;
  /** Witnesses whose own clock is wrong. */
  readonly dissents: readonly Dissent[];
  /** False: nobody could be asked. */
  readonly asked: boolean;
}

/**
 * Which clock is wrong, ours or theirs. Ours only if no CA agrees with it, and either more witnesses agree against it
 * than agree with it, two at least, or it is implausible by itself and no majority agrees with it. CAs alone are not
 * enough against a clock that runs on from an instant which a CA has confirmed or at which renewd wrote: one proxy may
 * change what all of them say. Otherwise a witness that differs is wrong itself, and stops the orders at that CA: a
 * wrong Date header must not stop all the others. So is any number of them that say a time which is past for sure, such
 * as that of an answer which a proxy keeps.
 */
export function judgeClock(all: readonly ClockWitness[], own: OwnClock): ClockVerdict {
  const witnesses = byOrigin(all);
  const agreeing = witnesses.filter(({ aheadMs }) => isNear(aheadMs, 0));
  const differing = witnesses.filter(({ aheadMs }) => !isNear(aheadMs, 0));
  const against = largestAgreement(differing.filter(({ aheadMs }) => !isPast(own, aheadMs)));
  const [first] = against;
  if (first === undefined) {
    const credible = witnesses.filter(({ aheadMs }) => !isPast(own, aheadMs));
    const problem = unwitnessedStep(credible, own);
    return { problem, dissents: dissentsOf(differing, agreeing), asked: witnesses.length > 0 };
  }
  const isOutvoted =
    against.length >= 2 && against.length > agreeing.length && !(against.every(isCa) && isContinued(own));
  const noCaAgrees = !agreeing.some(isCa);
  const isMajority = agreeing.length > against.length;
  const isDoubtful = !isMajority && against.some(({ aheadMs }) => isImplausible(own, aheadMs));
  if (noCaAgrees && (isOutvoted || isDoubtful)) return { problem: problemWith(against), dissents: [], asked: true };
  return { problem: null, dissents: dissentsOf(differing, agreeing), asked: true };
}

/** Whether a CA agrees with our clock. */
export function isConfirmed(witnesses: readonly ClockWitness[]): boolean {
  return witnesses.some((witness) => isCa(witness) && isNear(witness.aheadMs, 0));
}

function isCa({ issuers }: ClockWitness): boolean {
  return issuers.length > 0;
}

/** Nobody stepped it since a CA confirmed it or, before a restart, since it was written by. */
function isContinued({ now, steppedMs, lastWriteAt, confirmedAt }: OwnClock): boolean {
  if (Math.abs(steppedMs) > CLOCK_SKEW_MAX_MS) return false;
  if (confirmedAt !== null) return true;
  return lastWriteAt !== null && now >= lastWriteAt - CLOCK_SKEW_MAX_MS && now <= lastWriteAt + RESTART_MAX_MS;
}

/** Time does not run backwards: what was confirmed, or released, is past. */
function isPast({ now, confirmedAt }: OwnClock, aheadMs: number | null): boolean {
  return aheadMs !== null && now + aheadMs < Math.max(RELEASED_AT, confirmedAt ?? 0) - CLOCK_SKEW_MAX_MS;
}

function dissentsOf(differing: readonly ClockWitness[], agreeing: readonly ClockWitness[]): Dissent[] {
  const stopsIssuing = !agreeing.some(isCa);
  return differing.map((witness) => ({
    witness,
    message: dissentOf(witness),
    stopsIssuing: stopsIssuing && isCa(witness),
  }));
}

/** Nobody to ask: a big step is not believed until somebody can be asked. */
function unwitnessedStep(witnesses: readonly ClockWitness[], { steppedMs }: OwnClock): string | null {
  return witnesses.length === 0 && Math.abs(steppedMs) > CLOCK_SKEW_MAX_MS
    ? `this machine's clock was stepped by ${formatDuration(steppedMs)} and neither CA, database nor Redis can be asked`
    : null;
}

function byOrigin(witnesses: readonly ClockWitness[]): ClockWitness[] {
  return [...Map.groupBy(witnesses, ({ origin }) => origin).values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, issuers: [first, ...others].flatMap(({ issuers }) => issuers) }],
  );
}

/** The largest group of witnesses that tell the same time. One with an unknown amount contradicts none. */
function largestAgreement(differing: readonly ClockWitness[]): readonly ClockWitness[] {
  const groups = differing.map(({ aheadMs }) =>
    differing.filter((other) => other.aheadMs === null || aheadMs === null || isNear(other.aheadMs, aheadMs)),
  );
  return groups.reduce((largest, group) => (group.length > largest.length ? group : largest), []);
}

function isNear(aheadMs: number | null, center: number): boolean {
  return aheadMs !== null && Math.abs(aheadMs - center) <= CLOCK_SKEW_MAX_MS;
}

/** Whether something besides the witness speaks against our clock, in the same direction. */
function isImplausible({ now, steppedMs, lastWriteAt }: OwnClock, aheadMs: number | null): boolean {
  const mayBeBehind = aheadMs === null || aheadMs > 0;
  const mayBeAhead = aheadMs === null || aheadMs < 0;
  const earliest = Math.max(RELEASED_AT, lastWriteAt ?? 0);
  if (mayBeBehind && (now < earliest - CLOCK_SKEW_MAX_MS || steppedMs < -CLOCK_SKEW_MAX_MS)) return true;
  if (!mayBeAhead) return false;
  if (steppedMs > CLOCK_SKEW_MAX_MS) return true;
  if (lastWriteAt === null || now - lastWriteAt < QUIET_MAX_MS) return false;
  // Renewd did not write for days by our clock. By the witness's it did so not long ago.
  return aheadMs === null || Math.abs(now + aheadMs - lastWriteAt) < (now - lastWriteAt) / 2;
}

function problemWith(against: readonly ClockWitness[]): string {
  const known = against.filter(({ aheadMs }) => aheadMs !== null).sort((a, b) => (a.aheadMs ?? 0) - (b.aheadMs ?? 0));
  const middle = known[Math.floor(known.length / 2)];
  const names = against.map(({ name }) => name).join(" and ");
  if (middle?.aheadMs == null) return against.map(({ says, name }) => says ?? name).join("; ");
  return `this machine's clock is ${formatDuration(middle.aheadMs)} ${middle.aheadMs > 0 ? "behind" : "ahead of"} ${names}`;
}

function dissentOf({ name, aheadMs, says }: ClockWitness): string {
  if (aheadMs === null) return says ?? `${name} differs from this machine's`;
  const direction = aheadMs > 0 ? "ahead of" : "behind";
  return `${name} is ${formatDuration(aheadMs)} ${direction} this machine's, and not enough other clocks agree with it`;
}

/** What a machine last said about a clock; it says so again every hour while it stays so. */
interface LastWord {
  readonly host: string;
  readonly message: string;
  /** Number of the event. */
  readonly seq: number;
}

/** A machine that has stopped because of its own clock. */
export type ClockProblem = LastWord;

/** A clock other than its own that a machine has found wrong. */
export interface OpenDissent extends LastWord {
  /** The host of the CA or server. */
  readonly witness: string;
  readonly stopsIssuing: boolean;
}

/** Hosts whose newest `clock.skewed` has no `clock.recovered` after it. `events`: of the clock, oldest first. */
export function openClockProblems(events: readonly HistoryEvent[]): ClockProblem[] {
  const open = new Map<string, ClockProblem>();
  for (const { seq, type, worker, detail } of events) {
    const host = hostOf(worker);
    const known = open.get(host);
    if (type === "clock.skewed") open.set(host, { host, seq, message: String(detail.message ?? "its clock is wrong") });
    if (type === "clock.recovered") open.delete(host);
    if (type === "clock.repeated" && detail.stopped === true && known !== undefined) open.set(host, { ...known, seq });
  }
  return [...open.values()];
}

/** Clocks whose newest `clock.dissent` on a host has no `clock.dissentOver` after it. `events`: as above. */
export function openDissents(events: readonly HistoryEvent[]): OpenDissent[] {
  const open = new Map<string, OpenDissent>();
  for (const { seq, type, worker, detail } of events) {
    const host = hostOf(worker);
    const witness = String(detail.witness);
    const repeated = Array.isArray(detail.witnesses) ? detail.witnesses : [];
    if (type === "clock.dissent")
      open.set(`${host} ${witness}`, {
        ...{ host, witness, seq, message: String(detail.message) },
        stopsIssuing: detail.stopsIssuing === true,
      });
    if (type === "clock.dissentOver") open.delete(`${host} ${witness}`);
    for (const again of type === "clock.repeated" ? repeated : []) {
      const known = open.get(`${host} ${again}`);
      if (known !== undefined) open.set(`${host} ${again}`, { ...known, seq });
    }
  }
  return [...open.values()];
}

/** Three times as long as between two words of a machine that runs. */
const SILENCE_MAX_MS = 3 * HOUR_MS;

/**
 * Whether a machine that has said something about a clock is gone: the others have gone on writing for longer than it
 * would be silent. Only their instants count, as its own clock may be the wrong one. `after`: events after its last
 * word; `newest`: the newest ones; both oldest first.
 */
export function isGone(
  host: string,
  after: readonly Pick<HistoryEvent, "at" | "worker">[],
  newest: readonly Pick<HistoryEvent, "at" | "worker">[],
): boolean {
  const isOther = ({ worker }: Pick<HistoryEvent, "worker">): boolean => hostOf(worker) !== host;
  const [first, last] = [after.find(isOther), newest.findLast(isOther)];
  return first !== undefined && last !== undefined && last.at - first.at > SILENCE_MAX_MS;
}

function hostOf(worker: string): string {
  return worker.split("/", 1)[0] ?? worker;
}
