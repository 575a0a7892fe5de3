import type { HistoryFilter } from "../domain/historySearch.ts";
import { RENEWAL_STATES, type RenewalState } from "../domain/renewal.ts";
import type { Store } from "../domain/store.ts";
import { iso } from "./instant.ts";
import { invalid } from "./lists/list.ts";

/** A calendar month in UTC. */
export interface Month {
  /** `2026-11` */
  readonly name: string;
  /** ms since epoch. */
  readonly from: number;
  /** Exclusive. */
  readonly until: number;
}

export interface MonthReport {
  readonly month: Month;
  readonly byState: readonly Figure<RenewalState>[];
  /** By the error that ended them. */
  readonly failures: readonly Figure<string>[];
  /** Succeeded without anybody asking. */
  readonly unattended: number;
  readonly succeeded: number;
  readonly rehearsals: number;
  readonly decisions: number;
}

/** A count and the search that selects exactly what it counts. */
export interface Figure<Key extends string> {
  readonly key: Key;
  readonly count: number;
  readonly q: string;
}

const CODES_MAX = 12;

export function monthOf(text: string | null, now: number): Month {
  const name = text === null || text === "" ? new Date(now).toISOString().slice(0, 7) : text;
  const [, year, number] = /^(20\d\d)-(0[1-9]|1[0-2])$/.exec(name) ?? [];
  if (year === undefined || number === undefined) throw invalid("month", "must be a month such as 2026-11");
  const from = Date.UTC(Number(year), Number(number) - 1, 1);
  return { name, from, until: Date.UTC(Number(year), Number(number), 1) };
}

export async function monthReport({ search }: Pick<Store, "search">, month: Month): Promise<MonthReport> {
  const span: HistoryFilter = { since: month.from, before: month.until };
  const spoken = `since:${iso(month.from)} before:${iso(month.until)}`;
  const counts = await search.countRenewals(span);
  const codes = [...(await search.countErrors({ ...span, states: ["failed"] }))]
    .sort(([, a], [, b]) => b - a)
    .flatMap(([code]) => (code === null || code === "" ? [] : [code]))
    .slice(0, CODES_MAX);
  const failures: Figure<string>[] = [];
  for (const code of codes) {
    // Counted as the link selects: a code that only began as this one is part of both.
    const found = await search.countRenewals({ ...span, states: ["failed"], errors: [code] });
    failures.push({ key: code, count: found.get("failed") ?? 0, q: `${spoken} state:failed error:${code}` });
  }
  const planned = await search.countRenewals({ ...span, states: ["succeeded"], triggers: ["planner"] });
  return {
    month,
    byState: RENEWAL_STATES.filter((state) => (counts.get(state) ?? 0) > 0).map((state) => ({
      key: state,
      count: counts.get(state) ?? 0,
      q: `${spoken} state:${state}`,
    })),
    failures,
    unattended: planned.get("succeeded") ?? 0,
    succeeded: counts.get("succeeded") ?? 0,
    rehearsals: await search.countEvents({ ...span, types: ["certificate.rehearsed"] }),
    decisions: await search.countEvents({ ...span, types: ["certificate.paused"] }),
  };
}
