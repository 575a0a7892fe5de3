import type { Criticality } from "../domain/responsibility.ts";
import type { Store } from "../domain/store.ts";
import { formatDuration, formatInstant } from "../domain/time.ts";
import { WATCH_STATES, type WatchedEndpoint, type WatchState } from "../domain/watched.ts";
import { FORGOTTEN_ADVICE, FORGOTTEN_MS, forgottenText, isForgotten } from "../renewal/rules/watched.ts";
import { iso } from "./instant.ts";
import type { Notice } from "./notices.ts";

/** `renewd watched --json`: endpoints whose certificates somebody else renews. Instants are ISO 8601. */
export interface WatchedReport {
  readonly version: 1;
  readonly at: string;
  /** Worst first, then those that end first. */
  readonly endpoints: readonly WatchedEntry[];
}

export interface WatchedEntry {
  /** Its name in the configuration, or where it was found. */
  readonly name: string;
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  readonly sni: string;
  readonly starttls: string | null;
  readonly state: WatchState;
  /** Since when the state has been the same. */
  readonly since: string | null;
  readonly lookedAt: string | null;
  readonly nextLookAt: string;
  /** The first end among what its addresses serve. */
  readonly expiresAt: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly addresses: readonly WatchedAddressEntry[];
  readonly owner: string | null;
  readonly team: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly criticality: Criticality;
  readonly runbook: string | null;
}

export interface WatchedAddressEntry {
  readonly address: string;
  readonly state: WatchState;
  readonly serial: string | null;
  readonly issuer: string | null;
  readonly names: readonly string[];
  readonly notAfter: string | null;
  readonly message: string | null;
}

/** What status says of those that need a look; each alert has its own words. */
const NEEDS_PERSON: readonly WatchState[] = [
  "notValid",
  "wrongCertificate",
  "badChain",
  "stale",
  "unreachable",
  "ending",
];
const NOTICES_MAX = 50;

export async function watchedReport(store: Pick<Store, "watched">, now: number): Promise<WatchedReport> {
  const all = (await store.watched.list()).map((each) => asKnown(each, now)).toSorted(worstFirst);
  return { version: 1, at: iso(now), endpoints: all.map(watchedEntry) };
}

/** What was good when somebody last looked is unknown where nobody looks any more. What was wrong stays so. */
export function asKnown(watched: WatchedEndpoint, now: number): WatchedEndpoint {
  const { look, nextLookAt } = watched;
  if (look === null || look.state !== "good" || !isForgotten(watched, now)) return watched;
  const message = `nobody has looked since ${formatInstant(look.at)}, when it was good: what it serves is unknown`;
  const problem = { code: "verify.unseen", message };
  return { ...watched, look: { ...look, state: "unseen", problem, since: nextLookAt } };
}

export function stateOf({ look }: WatchedEndpoint): WatchState {
  return look?.state ?? "unseen";
}

export function worstFirst(a: WatchedEndpoint, b: WatchedEndpoint): number {
  const byState = WATCH_STATES.indexOf(stateOf(a)) - WATCH_STATES.indexOf(stateOf(b));
  return byState || expiryOf(a) - expiryOf(b) || (a.key < b.key ? -1 : 1);
}

function expiryOf({ look }: WatchedEndpoint): number {
  return look?.expiresAt ?? Number.MAX_SAFE_INTEGER;
}

export function watchedEntry(watched: WatchedEndpoint): WatchedEntry {
  const { key, origin, endpoint, look, nextLookAt, responsibility } = watched;
  return {
    ...{ name: key, origin, host: endpoint.host, port: endpoint.port, sni: endpoint.sni },
    starttls: endpoint.starttls ?? null,
    state: stateOf(watched),
    since: iso(look?.since ?? null),
    lookedAt: iso(look?.at ?? null),
    nextLookAt: iso(nextLookAt),
    expiresAt: iso(look?.expiresAt ?? null),
    errorCode: look?.problem?.code ?? null,
    errorMessage: look?.problem?.message ?? null,
    addresses: (look?.addresses ?? []).map(({ observation: { address, served, problem }, state }) => ({
      ...{ address, state, serial: served?.serial ?? null, issuer: served?.issuer ?? null },
      names: served?.subjectAltNames ?? [],
      notAfter: iso(served?.notAfter ?? null),
      message: problem?.message ?? null,
    })),
    ...responsibility,
  };
}

/** Those that somebody has to do something about, worst first. */
export async function watchedNotices(store: Pick<Store, "watched">, now: number): Promise<Notice[]> {
  const troubled = (await store.watched.list()).filter((each) => NEEDS_PERSON.includes(stateOf(each)));
  const shown = troubled
    .toSorted(worstFirst)
    .slice(0, NOTICES_MAX)
    .map((each) => noticeOf(each, now));
  const overdue = await store.watched.overdue(now - FORGOTTEN_MS);
  if (overdue !== null)
    shown.unshift({
      ...{ id: "watched/unseen", kind: "watched", needsPerson: true, certificates: [] },
      ...{ what: forgottenText(overdue, now), action: FORGOTTEN_ADVICE },
    });
  const rest = troubled.length - Math.min(troubled.length, NOTICES_MAX);
  if (rest === 0) return shown;
  const more = { id: "watched", what: `${rest} more watched endpoints need a look`, action: "See `renewd watched`." };
  return [...shown, { ...more, kind: "watched", needsPerson: true, certificates: [] }];
}

function noticeOf(watched: WatchedEndpoint, now: number): Notice {
  const { key, look } = watched;
  const since = look === null ? "" : `, for ${formatDuration(now - look.since)}`;
  return {
    id: `watched/${key}`,
    kind: "watched",
    what: `watched endpoint ${key} (${stateOf(watched)}${since}): ${look?.problem?.message ?? "it needs a look"}`,
    action: `See \`renewd watched ${key}\`.`,
    needsPerson: true,
    certificates: [],
  };
}
