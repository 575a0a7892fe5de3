import type { Screen } from "../cli/terminal/style.ts";
import { type Cell, renderTable } from "../cli/terminal/table.ts";
import type { Renewal, RenewalState } from "../domain/renewal.ts";
import { isActive } from "../domain/renewal.ts";
import type { RenewalFilter, Store } from "../domain/store.ts";
import { formatDuration } from "../domain/time.ts";
import { iso, spoken } from "./instant.ts";

/** `renewd history --json`, newest first. */
export interface HistoryReport {
  readonly version: 1;
  readonly at: string;
  readonly renewals: readonly HistoryEntry[];
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
export const FAILED_STATES = ["failed", "held", "rolledBack"] as const satisfies readonly RenewalState[];

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
  return { version: 1, at: iso(now), renewals, more: found.length > query.limit };
}

export async function historyEntry(store: Store, renewal: Renewal, now: number): Promise<HistoryEntry> {
  const { id, certificate, reason, trigger, state, generation, attempts, errorCode, errorMessage, createdAt, finishedAt } = renewal;
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

export function renderHistory({ renewals, more }: HistoryReport, screen: Screen): string {
  if (renewals.length === 0) return "no renewals match";
  const columns = [
    { title: "STARTED" },
    { title: "CERTIFICATE", widthMin: 12 },
    { title: "REASON", widthMin: 6 },
    { title: "BY" },
    { title: "OUTCOME" },
    { title: "TOOK", align: "right" as const },
    { title: "SERIAL", widthMin: 8, expendable: true },
    { title: "RENEWAL" },
    { title: "ERROR", widthMin: 8 },
  ];
  const rows = renewals.map((each): Cell[] => [
    spoken(each.startedAt),
    each.certificate,
    each.reason,
    each.trigger,
    outcomeCell(each.state),
    formatDuration(each.durationMs),
    each.serial ?? "-",
    each.id.slice(0, 8),
    each.errorCode === null ? "" : `${each.errorCode}: ${each.errorMessage ?? ""}`,
  ]);
  return [...renderTable(columns, rows, screen), ...(more ? [`… older ones are left out: raise --limit`] : [])].join("\n");
}

/** A renewal succeeds by handshakes only, or without any where no endpoint is configured: so its outcome is not shown as proof. */
export function outcomeCell(state: RenewalState): Cell {
  if (isActive(state)) return { text: state, style: "strong" };
  if (state === "succeeded") return state;
  return { text: state, style: state === "cancelled" ? "caution" : "wrong" };
}
