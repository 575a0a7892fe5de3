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
  const renewals: HistoryEntry[] = [];
  for (const renewal of found.slice(0, query.limit)) renewals.push(await historyEntry(store, renewal, now));
  const decisions = query.failed ? [] : await decisionsOf(store, query);
  return { version: 1, at: iso(now), renewals, decisions, more: found.length > query.limit };
}

export async function historyEntry(store: Store, renewal: Renewal, now: number): Promise<HistoryEntry> {
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
  const version = await store.versions.get(certificate, generation);
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
    serial: version?.leaf.serial ?? null,
    attempts,
    errorCode,
    errorMessage,
  };
}
