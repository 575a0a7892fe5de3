import { randomBytes } from "node:crypto";
import type { Alert, AlertState } from "../../domain/alert.ts";
import type { AlertSettings } from "../../domain/alertSettings.ts";
import type { HistoryEvent, NewEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import type { Fault } from "../rules/alerts/faults.ts";
import { type Judgement, judge } from "../rules/alerts/judge.ts";
import { elapsed } from "../rules/alerts/lasting.ts";
import { JUDGED_EVENTS, type Signal, signalOf } from "../rules/alerts/signals.ts";
import { watchedKeyOf } from "../rules/watched.ts";
import { changedDefinitions, definitionsOf, originsOf } from "./alertOrigins.ts";
import { judgeCertificates, standingFaults, troubled } from "./faults.ts";
import { judgeWatched, routedWatched, troubledWatched, watchedAmong, watchedMemberOf } from "./watchedFaults.ts";

const EVENTS_MAX = 500;
/** How often every member of an open alert is judged again: time passes, too. */
const JUDGE_MS = MINUTE_MS;
/** How often all records are: what somebody else wrote to the database is found. */
const SCAN_MS = HOUR_MS;
/** What is about renewd itself lasts for minutes before it is said: judged so often, and when anything happens. */
const STANDING_MS = 10 * SECOND_MS;
/** So far the mark may stay behind the history before it is written. */
const BEHIND_MAX = 1_000;

/**
 * How far one planner has looked since the mark in the database was at `since`, and found nothing to write. Otherwise
 * each look would judge again what happened since the mark was last written, an hour ago perhaps.
 */
export interface AlertMemory {
  looked?: { readonly since: number; readonly seq: number; readonly judgedAt: number };
  /** What is about renewd itself, of these settings. */
  standing?: { readonly at: number; readonly settings: AlertSettings; readonly faults: readonly Fault[] };
}

interface Found {
  readonly isRight: boolean;
  readonly state: AlertState;
  readonly next: AlertState;
  readonly open: readonly Alert[];
  readonly judged: ReadonlySet<string>;
  readonly faults: readonly Fault[];
  readonly signals: readonly Signal[];
  readonly definitions: readonly Pick<NewEvent, "type" | "detail">[];
}

/**
 * Groups what is wrong by its cause and writes what people are sent about it to the history, which is the outbox: the
 * alert, the message and the mark up to which events were judged are one transaction, so nothing is lost or doubled by
 * a crash. Returns how many messages there were.
 */
export async function raiseAlerts(context: Context, signal: AbortSignal, memory: AlertMemory = {}): Promise<number> {
  const found = await look(context, memory, signal);
  const { store, clock } = context;
  const dry = await judgement(context, store, found, clock.now());
  if (!isWorthWriting(found, dry)) {
    remember(memory, found);
    return 0;
  }
  return store.transaction(async (tx) => {
    const current = await tx.alerts.lock();
    // Another planner was faster.
    if (current.seq !== found.state.seq && found.state.seq !== null) return 0;
    // Somebody may have acknowledged meanwhile.
    const judged = await judgement(context, tx, { ...found, open: await tx.alerts.open() }, clock.now());
    for (const alert of judged.alerts) await tx.alerts.save(alert);
    for (const { type, detail } of found.definitions) await append(tx, { type, detail }, clock.now());
    for (const message of judged.messages) await append(tx, message, clock.now());
    await tx.alerts.saveState({ ...current, ...found.next, recent: judged.recent });
    return judged.messages.length;
  });
}

function append(
  tx: Store,
  message: Pick<NewEvent, "type" | "detail"> & Partial<Pick<NewEvent, "certificate" | "target">>,
  at: number,
): Promise<void> {
  const { type, certificate = null, target = null, detail } = message;
  return tx.events.append({ at, type, certificate, renewalId: null, target, detail });
}

function isWorthWriting({ state, next, definitions }: Found, { alerts, messages }: Judgement): boolean {
  const isBehind = (next.seq ?? 0) - (state.seq ?? 0) > BEHIND_MAX;
  const isFirst = state.seq === null || Object.keys(state.definitions).length === 0;
  return (
    alerts.length + messages.length + definitions.length > 0 || isBehind || isFirst || next.scannedAt > state.scannedAt
  );
}

/** With a wrong clock certificates are not judged. */
function remember(memory: AlertMemory, { isRight, state, next }: Found): void {
  if (!isRight || state.seq === null || next.seq === null) return;
  memory.looked = { since: state.seq, seq: next.seq, judgedAt: next.judgedAt };
}

/** Where the mark was written meanwhile, by this planner or another, it says how far. */
function lookedSoFar({ looked }: AlertMemory, state: AlertState): Pick<AlertState, "seq" | "judgedAt"> {
  if (looked === undefined || looked.since !== state.seq) return state;
  return { seq: looked.seq, judgedAt: Math.max(looked.judgedAt, state.judgedAt) };
}

async function look(context: Context, memory: AlertMemory, signal: AbortSignal): Promise<Found> {
  const { store, clock, services, settings } = context;
  const now = clock.now();
  const state = await store.alerts.state();
  const { seq, judgedAt } = lookedSoFar(memory, state);
  const [newest] = await store.events.list({ limit: 1 });
  const last = newest?.seq ?? 0;
  // Behind a history that was put back, and before the first run, everything is judged again.
  const from = seq === null ? last : Math.min(seq, last);
  // Mostly nothing has happened since the last look, and to ask for forty types of events is much of what a look costs.
  const query = { types: JUDGED_EVENTS, afterSeq: from, limit: EVENTS_MAX };
  const events = last > from ? await store.events.list(query) : [];
  const to = events.length === EVENTS_MAX ? (events.at(-1)?.seq ?? last) : Math.max(last, events.at(-1)?.seq ?? 0);
  const open = await store.alerts.open();
  // With a clock 40 days ahead every certificate looks expired; what is due then is judged later.
  const isRight = await isClockRight(context, signal);
  const isJudgeDue = isRight && elapsed(judgedAt, now) >= JUDGE_MS;
  const isScanDue = isRight && (state.seq === null || elapsed(state.scannedAt, now) >= SCAN_MS);
  const names = new Set(
    isRight ? events.flatMap((event) => [event.certificate ?? [], watchedMemberOf(event)].flat()) : [],
  );
  if (isJudgeDue || isScanDue)
    for (const { members } of open) for (const { certificate } of members) names.add(certificate);
  if (isScanDue)
    for (const name of [...(await troubled(context)), ...(await troubledWatched(context))]) names.add(name);
  if (isJudgeDue && settings.alerts.canary !== null) names.add(settings.alerts.canary.certificate);
  const watched = await watchedAmong(context, names);
  const certificates = [...names].filter((name) => watchedKeyOf(name) === null);
  const faults = [...(await judgeCertificates(context, certificates, signal)), ...judgeWatched(context, watched)];
  const definitions = definitionsOf(context);
  const signals = events.flatMap((event: HistoryEvent) => {
    const found = signalOf(event, (name) => services.certificate(name)?.issuer ?? null);
    return found ?? [];
  });
  return {
    isRight,
    state,
    open,
    judged: names,
    faults: [...faults, ...(await standing(context, memory, state, last > from))],
    signals,
    definitions: changedDefinitions(state.definitions, definitions),
    next: {
      ...state,
      seq: to,
      judgedAt: isJudgeDue ? now : judgedAt,
      // What is passed over now is found once the clock is right.
      scannedAt: isScanDue ? now : isRight ? state.scannedAt : 0,
      definitions,
    },
  };
}

async function standing(
  context: Context,
  memory: AlertMemory,
  state: AlertState,
  isNews: boolean,
): Promise<readonly Fault[]> {
  const { alerts: settings } = context.settings;
  const at = context.clock.monotonic();
  const { standing: known } = memory;
  if (!isNews && known?.settings === settings && at - known.at < STANDING_MS) return known.faults;
  const faults = await standingFaults(context, settings, state);
  memory.standing = { at, settings, faults };
  return faults;
}

function isClockRight({ clockGuard }: Context, signal: AbortSignal): Promise<boolean> {
  return clockGuard.check(signal).then(
    () => true,
    () => false,
  );
}

async function judgement(context: Context, store: Store, found: Found, now: number): Promise<Judgement> {
  const { services, settings } = context;
  const { open, judged, faults, signals, state } = found;
  const members = [
    ...open.flatMap((alert) => alert.members.map(({ certificate: name }) => name)),
    ...faults.flatMap(({ certificate: name }) => name ?? []),
  ];
  const watched = routedWatched(await watchedAmong({ store }, members));
  return judge({
    ...{ open, judged, faults, signals, now },
    origins: await originsOf({ store, services }, { open, faults, signals }, now),
    recent: state.recent,
    settings: settings.alerts,
    routing: {
      routes: settings.alerts.routes,
      channels: services.channels(),
      certificate: (name) => services.certificate(name) ?? watched(name),
    },
    newId: () => randomBytes(4).toString("hex"),
  });
}
