import type { Renewal, RenewalState } from "../domain/renewal.ts";
import type { RenewalFilter, Store } from "../domain/store.ts";
import { type DecisionEntry, decisionsOf } from "./decisions.ts";
import { iso } from "./instant.ts";

/** `renewd history --json`, newest first. */
export interface HistoryReport {
  readonly version: 1;
  readonly at: string;
  readonly renewals: readonly HistoryEntry[];
  /** Pauses, resumes, revocations, imports, removals, reloads, refusals, acknowledgements. */
  readonly decisions: readonly DecisionEntry[];
  /** There are older ones that `--limit` left out. */
  readonly more: boolean;
}

export interface HistoryEntry {
  readonly id: string;
  readonly certificate: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly reason: string;
  readonly detail: string;
  readonly trigger: string;
  readonly state: RenewalState;
  /** From detected to proved live, or to its end; so far, while it runs. */
  readonly durationMs: number;
  readonly generation: number;
  /** null: it issued nothing. */
  readonly serial: string | null;
  readonly attempts: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

/** Ended without the new certificate proved live. */
const FAILED_STATES = ["failed", "held", "rolledBack"] as const satisfies readonly RenewalState[];

export interface HistoryQuery {
  readonly certificate: string | null;
  readonly since: number | null;
  readonly failed: boolean;
  readonly limit: number;
}

export async function historyReport(store: Store, query: HistoryQuery, now: number): Promise<HistoryReport> {
  const filter: RenewalFilter = {
    limit: query.limit + 1,
    ...(query.certificate !== null && { certificate: query.certificate }),
    ...(query.since !== null && { since: query.since }),
    ...(query.failed && { states: FAILED_STATES }),
  };
  const found = await store.renewals.list(filter);
  const shown = found.slice(0, query.limit);
  const serials = await store.search.serials(shown);
  const renewals = shown.map((renewal) => entryOf(renewal, serials.get(renewal.id) ?? null, now));
  const decisions = query.failed ? [] : await decisionsOf(store, query);
  return { version: 1, at: iso(now), renewals, decisions, more: found.length > query.limit };
}

export async function historyEntry(store: Store, renewal: Renewal, now: number): Promise<HistoryEntry> {
  return entryOf(renewal, (await store.search.serials([renewal])).get(renewal.id) ?? null, now);
}

function entryOf(renewal: Renewal, serial: string | null, now: number): HistoryEntry {
  const {
    id,
    certificate,
    reason,
    trigger,
    state,
    generation,
    attempts,
    errorCode,
    errorMessage,
    createdAt,
    finishedAt,
  } = renewal;
  return {
    id,
    certificate,
    startedAt: iso(createdAt),
    finishedAt: iso(finishedAt),
    reason,
    detail: renewal.reasonDetail,
    trigger,
    state,
    durationMs: (finishedAt ?? now) - createdAt,
    generation,
    serial,
    attempts,
    errorCode,
    errorMessage,
  };
}
