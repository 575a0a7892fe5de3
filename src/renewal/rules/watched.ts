import { isIP } from "node:net";
import type { Observation } from "../../domain/endpoint.ts";
import { ERRORS } from "../../domain/errorTable.ts";
import { isLoopback } from "../../domain/loopback.ts";
import { reachOf } from "../../domain/reach.ts";
import type { Finding } from "../../domain/scan.ts";
import { DAY_MS, formatDuration, formatInstant, MINUTE_MS } from "../../domain/time.ts";
import {
  type Overdue,
  WATCH_STATES,
  type WatchDefinition,
  type WatchExpectations,
  type WatchedAddress,
  type WatchLook,
  type WatchState,
} from "../../domain/watched.ts";

/** Where nobody says how much must be left: this share of its life, but no more than that. */
const ENDING_SHARE = 1 / 6;
const ENDING_MAX_MS = 30 * DAY_MS;
/** Looks are this much rarer, or more frequent, by how much is left. */
const FAR = { share: 1 / 3, leftMs: 14 * DAY_MS, factor: 6 };
const NEAR = { share: 1 / 6, leftMs: 7 * DAY_MS, factor: 2 };
const LAST_DAY_FACTOR = 1 / 5;
/** It changed, and not enough connections were answered since to meet each member behind it. */
const OWED_FACTOR = 1 / 10;
const LOOK_MIN_MS = MINUTE_MS / 2;
const NAMES_KEPT_MAX = 100;

/** The chain leads to no root that is trusted here. */
export const TRUST_FINDINGS: readonly string[] = ["chain.incomplete", "chain.untrusted", "chain.selfSigned"];
const STATE_OF: Readonly<Record<string, WatchState>> = {
  names: "wrongCertificate",
  "dates.future": "notValid",
  "dates.expired": "notValid",
};
const CODE_OF: Partial<Readonly<Record<WatchState, string>>> = {
  ...{ notValid: "verify.notValid", wrongCertificate: "verify.wrongCertificate", badChain: "verify.badChain" },
};

/**
 * Whether the configuration itself writes this private address, and so means it. A name does not: those who answer for
 * it may lead it anywhere. Nobody means link-local addresses and the metadata services of clouds by writing them.
 */
export function isWritten({ origin, endpoint: { host } }: WatchDefinition, address: string): boolean {
  return origin === "configured" && (isIP(host) !== 0 || isLoopback(host)) && reachOf(address) === "private";
}

/** What one address shows, by what a client finds wrong. Pure. */
export function judgeAddress(
  observation: Observation,
  findings: readonly Finding[],
  expects: WatchExpectations,
): WatchedAddress {
  const { served, problem } = observation;
  if (served === null) {
    const isUnverifiable = problem?.code === "verify.undialable";
    return { observation, state: isUnverifiable ? "unverifiable" : "unreachable" };
  }
  const kept = {
    ...observation,
    served: { ...served, subjectAltNames: served.subjectAltNames.slice(0, NAMES_KEPT_MAX) },
  };
  const wrong = findings.find(
    ({ level, id }) => level === "wrong" && (expects.trusted || !TRUST_FINDINGS.includes(id)),
  );
  if (wrong !== undefined) {
    const state = STATE_OF[wrong.id] ?? "badChain";
    const advice = wrong.advice === null ? "" : ` ${wrong.advice}`;
    const said = { code: CODE_OF[state] ?? "verify.badChain", message: `${wrong.message}.${advice}` };
    return { observation: { ...kept, problem: said }, state };
  }
  return { observation: { ...kept, problem: null }, state: "good" };
}

/** When a served certificate counts as ending. */
export function endingAt(
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
  { minLeftMs }: WatchExpectations,
): number {
  return notAfter - (minLeftMs ?? Math.min(ENDING_MAX_MS, (notAfter - notBefore) * ENDING_SHARE));
}

interface LookFacts {
  readonly expects: WatchExpectations;
  readonly addresses: readonly WatchedAddress[];
  /** Why the host has no address. */
  readonly unresolved: WatchLook["problem"];
  readonly before: WatchLook | null;
  readonly now: number;
}

/** The endpoint is as bad as the worst of its addresses. Pure. */
export function lookOf({ expects, addresses: seen, unresolved, before, now }: LookFacts): WatchLook {
  const addresses = seen.map((each) => withEnd(each, expects, now));
  const ends = addresses.flatMap(({ observation: { served } }) => (served === null ? [] : [served.notAfter]));
  const worst = addresses.toSorted((a, b) => WATCH_STATES.indexOf(a.state) - WATCH_STATES.indexOf(b.state))[0];
  // An address that cannot be dialled from here says nothing where others answer, but alone it is never well.
  const answered = addresses.filter(({ state }) => state !== "unverifiable");
  const state = unresolved === null ? stateOf(worst, answered) : unresolvedState(unresolved);
  const said = worst?.observation.problem ?? null;
  const problem =
    unresolved ??
    (said === null || state === "good" ? null : { ...said, message: `${worst?.observation.address}: ${said.message}` });
  return {
    at: now,
    state,
    problem,
    expiresAt: ends.length === 0 ? null : Math.min(...ends),
    since: before !== null && before.state === state ? before.since : now,
    addresses,
  };
}

function stateOf(worst: WatchedAddress | undefined, answered: readonly WatchedAddress[]): WatchState {
  if (worst === undefined) return "unreachable";
  return worst.state === "unverifiable" && answered.length > 0 ? "good" : worst.state;
}

/** An address that may not be dialled is no fault of the server. */
function unresolvedState({ code }: NonNullable<WatchLook["problem"]>): WatchState {
  return code === "verify.forbidden" ? "unverifiable" : "unreachable";
}

function withEnd(seen: WatchedAddress, expects: WatchExpectations, now: number): WatchedAddress {
  const { served } = seen.observation;
  if (seen.state !== "good" || served === null || now < endingAt(served, expects)) return seen;
  const message = `serial ${served.serial} by ${served.issuer} ends in ${formatDuration(served.notAfter - now)} (${formatInstant(served.notAfter)})`;
  return { state: "ending", observation: { ...seen.observation, problem: { code: "verify.ending", message } } };
}

/**
 * Addresses that still serve what another one served before its present certificate, and those that answer with an older
 * certificate beside a newer one: the server behind them was not reloaded, or a member was forgotten. `earlier`: leaves
 * that the newest one's address served before.
 */
export function withStale(addresses: readonly WatchedAddress[], earlier: ReadonlySet<string>): WatchedAddress[] {
  const newest = newestOf(addresses);
  return addresses.map((each) => {
    const { served, address } = each.observation;
    if (each.state !== "good" || served === null || newest === null) return each;
    const beside = newestOf(addresses.filter(({ observation }) => observation.address === address));
    const isOlder = beside !== null && beside.served.fingerprint !== served.fingerprint;
    if (!isOlder && !earlier.has(served.fingerprint)) return each;
    const successor = isOlder
      ? `and serial ${beside.served.serial} to others: a member behind it has not loaded the newer one`
      : `while ${newest.address} serves its successor, serial ${newest.served.serial}`;
    const to = isOlder ? " to some connections" : "";
    const message = `serves serial ${served.serial} until ${formatInstant(served.notAfter)}${to}, ${successor}`;
    return {
      state: "stale",
      observation: { ...each.observation, address, problem: { code: "verify.stale", message } },
    };
  });
}

/** The address with the certificate that was issued last, where they serve several; null: all serve the same. */
export function newestOf(addresses: readonly WatchedAddress[]) {
  const seen = addresses.flatMap(({ observation: { served, address } }) =>
    served === null ? [] : [{ served, address }],
  );
  if (new Set(seen.map(({ served }) => served.fingerprint)).size < 2) return null;
  return seen.reduce((newest, each) => (each.served.notBefore > newest.served.notBefore ? each : newest));
}

/** A look that is later than this is no delay any more: nobody looks. A process that died holds a claim for minutes. */
export const FORGOTTEN_MS = 15 * MINUTE_MS;

/** What it last showed was too long ago to be believed. */
export function isForgotten({ nextLookAt }: { readonly nextLookAt: number }, now: number): boolean {
  return nextLookAt < now - FORGOTTEN_MS;
}

/** Nobody looks at them: unknown, and never well. */
export function forgottenText({ count, since }: Overdue, now: number): string {
  const these = count === 1 ? "a watched endpoint" : `${count} watched endpoints`;
  return `nobody has looked at ${these}, due for ${formatDuration(now - since)}: what is served there is unknown`;
}

export const FORGOTTEN_ADVICE = ERRORS["verify.unseen"].action;

/** When to look again: the nearer the end, the sooner; what is wrong is looked at as often as managed endpoints. Pure. */
export function nextLookAt(look: WatchLook, observeMs: number, now: number, random: number): number {
  const spread = 0.9 + 0.2 * random;
  return Math.round(now + Math.max(Math.min(LOOK_MIN_MS, observeMs), observeMs * factorOf(look, now)) * spread);
}

function factorOf({ state, expiresAt, addresses }: WatchLook, now: number): number {
  if (addresses.some(({ observation: { served, owed } }) => served !== null && owed !== undefined)) return OWED_FACTOR;
  if (expiresAt === null || expiresAt <= now) return 1;
  const leftMs = expiresAt - now;
  if (leftMs < DAY_MS) return LAST_DAY_FACTOR;
  if (state !== "good") return 1;
  const lives = addresses.flatMap(({ observation: { served } }) => (served === null ? [] : [lifeOf(served)]));
  const share = leftMs / Math.max(1, ...lives);
  const step = [FAR, NEAR].find((each) => share > each.share && leftMs > each.leftMs);
  return step?.factor ?? 1;
}

function lifeOf({ notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number }): number {
  return notAfter - notBefore;
}

const MEMBER = "watch:";

/** How alerts and the history name a watched endpoint: no certificate can be called so. */
export function watchedMember({ key }: Pick<WatchDefinition, "key">): string {
  return `${MEMBER}${key}`;
}

/** null: it names a certificate. */
export function watchedKeyOf(member: string): string | null {
  return member.startsWith(MEMBER) ? member.slice(MEMBER.length) : null;
}
