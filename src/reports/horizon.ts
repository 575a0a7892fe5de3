import type { HorizonEntry, HorizonKind } from "../domain/horizon.ts";
import type { Store } from "../domain/store.ts";
import { horizonLeft } from "../renewal/rules/horizon.ts";
import { iso } from "./instant.ts";

/** `renewd horizon --json`. */
export interface HorizonReport {
  readonly version: 1;
  readonly at: string;
  /** By their ends; those without one, or whose end is not known, come last. */
  readonly ends: readonly HorizonReportEntry[];
}

export interface HorizonReportEntry {
  readonly kind: HorizonKind;
  /** What it belongs to, such as `target vault` or `domain example.org`. */
  readonly subject: string;
  readonly what: string;
  /** null: it has none, or nobody says. */
  readonly endsAt: string | null;
  /** When it was made or renewed last; null: nobody says. */
  readonly begunAt: string | null;
  /** Of its life, 0 to 1; null: it has no end. What does not say when it began counts as made for a year. */
  readonly lifeLeft: number | null;
  readonly note: string | null;
  readonly owner: string | null;
  readonly runbook: string | null;
  readonly checkedAt: string;
  /** Why the last look found nothing: the end is that of an earlier one. */
  readonly problem: string | null;
}

/** `withinMs` null: all, those without a known end too. */
export async function horizonReport(
  { horizon }: Pick<Store, "horizon">,
  withinMs: number | null,
  now: number,
): Promise<HorizonReport> {
  const all = await horizon.list();
  const shown = withinMs === null ? all : all.filter(({ ends }) => ends !== null && ends <= now + withinMs);
  return { version: 1, at: iso(now), ends: shown.map((entry) => entryOf(entry, now)) };
}

function entryOf(entry: HorizonEntry, now: number): HorizonReportEntry {
  const { kind, subject, what, note, owner, runbook, problem } = entry;
  return {
    ...{ kind, subject, what, endsAt: iso(entry.ends), begunAt: iso(entry.begins), lifeLeft: horizonLeft(entry, now) },
    ...{ note, owner, runbook, checkedAt: iso(entry.checkedAt), problem },
  };
}
