import { setTimeout as delay } from "node:timers/promises";
import type { CaBudget } from "../domain/budget.ts";
import type { Clock } from "../domain/clock.ts";
import { LARGE_FLEET, STEADY_MS, type SteadyPart } from "../domain/steady.ts";
import { NAMES_MAX, type Store } from "../domain/store.ts";
import { SECOND_MS } from "../domain/time.ts";
import { judgedEvery } from "../renewal/rules/proofAge.ts";
import type { ClockGuard } from "../renewal/watch/clockGuard.ts";
import { examineFleet } from "../reports/examine.ts";
import { loadFleet } from "../reports/fleet.ts";
import { steadyPartOf } from "../reports/steady.ts";

export const CHECK_EVERY_MS = 10 * SECOND_MS;
/** Half of what a check is believed for: a planner may be away for the other half. */
const PASS_MS = STEADY_MS / 2;
const PART_SIZE = NAMES_MAX;
/** Of this process's time, while it reads one part after another. */
const SHARE = 0.1;

export interface FleetChecked {
  readonly store: Store;
  readonly clock: Pick<Clock, "now">;
  readonly clockGuard: Pick<ClockGuard, "check">;
  readonly budget: (issuer: string) => CaBudget;
  /** Of this process: by its rules it is judged what is well. */
  readonly release: string;
  readonly largeFleet?: number;
  readonly partSize?: number;
  /** Default: as many as a fleet of its size needs. */
  readonly partsMax?: number;
  readonly share?: number;
}

/**
 * Reads the next parts of a large fleet that nobody has read for half of the time that a check is believed, and records
 * which certificates are steady. Returns how many parts. A hundred thousand certificates are 200 parts, each some 70 to
 * 160 ms of work, in an hour: less than a percent of a processor. What nobody believes yet, as after a first start, is
 * read without waiting for the next time, with pauses in which renewals have their turn.
 */
export async function checkFleet(fleet: FleetChecked, signal: AbortSignal): Promise<number> {
  const { store, clock, clockGuard, largeFleet = LARGE_FLEET, partSize = PART_SIZE, share = SHARE } = fleet;
  for (let checked = 0; ; checked++) {
    const applied = await store.applied.read();
    if (applied === null || applied.certificates < largeFleet || applied.release !== fleet.release) return checked;
    const next = nextToCheck(await store.steady.known(), clock.now());
    const parts = Math.ceil(applied.certificates / partSize);
    const inTurn = next?.isBelieved ? Math.ceil((parts * CHECK_EVERY_MS) / PASS_MS) : Number.POSITIVE_INFINITY;
    if (next === null || checked >= (fleet.partsMax ?? inTurn) || signal.aborted) return checked;
    // With a wrong clock what is well looks expired, and what is found now would be believed too long.
    await clockGuard.check(signal);
    const begunAt = performance.now();
    const { part, members } = await checkPart(fleet, {
      after: next.after,
      partSize,
      observeMs: judgedEvery(applied, clock.now()),
    });
    await store.steady.save(part, members);
    await delay((performance.now() - begunAt) * (1 / share - 1), undefined, { signal });
  }
}

interface NextPart {
  /** The name behind which it begins. */
  readonly after: string;
  /** It was read, and long ago, but not too long. */
  readonly isBelieved: boolean;
}

/** The first part that is missing or old; null: there is none. `known`: sorted by name. */
export function nextToCheck(
  known: readonly Pick<SteadyPart, "after" | "last" | "checkedAt">[],
  now: number,
): NextPart | null {
  let reached: string | null = "";
  let old: string | null = null;
  for (const { after, last, checkedAt } of known) {
    if (after !== reached) break;
    if (checkedAt > now || now - checkedAt >= STEADY_MS) return { after, isBelieved: false };
    if (now - checkedAt >= PASS_MS) old ??= after;
    reached = last;
  }
  if (reached !== null) return { after: reached, isBelieved: false };
  return old === null ? null : { after: old, isBelieved: true };
}

interface Wanted {
  readonly after: string;
  readonly partSize: number;
  readonly observeMs: number;
}

async function checkPart(
  { store, clock, budget: budgetOf, release }: FleetChecked,
  { after, partSize, observeMs }: Wanted,
): Promise<ReturnType<typeof steadyPartOf>> {
  const checkedAt = clock.now();
  const [newest] = await store.events.list({ limit: 1 });
  const altered: string[] = [];
  const certificates = await store.applied.certificates({ after, limit: partSize }, (name) => altered.push(name));
  const names = [...certificates.map(({ name }) => name), ...altered].sort();
  const last = names.length < partSize ? null : (names.at(-1) ?? null);
  const members = await loadFleet(store, certificates, checkedAt, { budgetOf, observeMs });
  const examined = await examineFleet(store, members, [], checkedAt);
  return steadyPartOf(examined, altered, { after, last, checkedAt, seq: newest?.seq ?? 0, release });
}
