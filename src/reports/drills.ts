import type { Drill, DrillScenario, DrillStage } from "../domain/drill.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Replacement } from "../domain/replacement.ts";
import type { Store } from "../domain/store.ts";
import { type DrillTimes, drillTimes } from "../renewal/rules/drill.ts";
import { iso } from "./instant.ts";

const DRILLS_MAX = 100;

/** `renewd drill --list --json`. */
export interface DrillsReport {
  readonly version: 1;
  readonly at: string;
  /** Newest first. */
  readonly drills: readonly DrillEntry[];
}

export interface DrillEntry {
  /** Of its replacement as well. */
  readonly id: string;
  readonly scenario: DrillScenario;
  readonly selection: string;
  /** The issuer that was ordered from; null: as configured. */
  readonly issuer: string | null;
  readonly startedAt: string;
  readonly deadline: string;
  /** All proved, cancelled, or the deadline passed; null: it runs. */
  readonly finishedAt: string | null;
  readonly cancelled: boolean;
  readonly certificates: number;
  readonly proved: number;
  /** From its beginning on, in order. */
  readonly stages: readonly DrillStageEntry[];
  /** The last one before it of the same kind that ended, which `before` of each stage is of; null: it is the first. */
  readonly comparedWith: { readonly id: string; readonly startedAt: string; readonly certificates: number } | null;
  readonly members: readonly DrillMemberEntry[];
}

export interface DrillStageEntry {
  readonly stage: DrillStage;
  /** How many certificates got there. */
  readonly reached: number;
  /** By nearest rank over all certificates; null: so many did not get there. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly maxMs: number | null;
  readonly before: {
    readonly p50Ms: number | null;
    readonly p95Ms: number | null;
    readonly maxMs: number | null;
  } | null;
}

export interface DrillMemberEntry {
  readonly certificate: string;
  readonly detectedAt: string | null;
  readonly issuedAt: string | null;
  readonly deployedAt: string | null;
  readonly provedAt: string | null;
}

/** `id` null: all; else one, or the beginning of its id. Throws `request.invalid`. */
export async function drillsReport(
  { drills, replacements }: Pick<Store, "drills" | "replacements">,
  id: string | null,
  now: number,
): Promise<DrillsReport> {
  const known = new Map((await replacements.list()).map((each) => [each.id, each]));
  const all = (await drills.list(DRILLS_MAX)).flatMap((drill): Whole[] => {
    const replacement = known.get(drill.id);
    return replacement === undefined ? [] : [{ ...drill, replacement }];
  });
  const chosen = id === null ? all : [named(all, id)];
  return { version: 1, at: iso(now), drills: chosen.map((drill) => entryOf(drill, all)) };
}

interface Whole extends Drill {
  readonly replacement: Replacement;
}

function named(all: readonly Whole[], id: string): Whole {
  const [found, another] = all.filter((each) => each.id.startsWith(id));
  if (found !== undefined && another === undefined) return found;
  throw new RenewalError(
    "request.invalid",
    `"${id.slice(0, 80)}" is the beginning of ${found === undefined ? "no" : "more than one"} drill's id`,
  );
}

function entryOf(drill: Whole, all: readonly Whole[]): DrillEntry {
  const { id, scenario, startedAt, finishedAt, members, replacement } = drill;
  const before = all.find(
    (each) =>
      each.startedAt < startedAt &&
      each.finishedAt !== null &&
      each.replacement.endedAt === null &&
      each.scenario === scenario &&
      each.replacement.issuer === replacement.issuer,
  );
  const earlier = before === undefined ? [] : drillTimes(before);
  const stages = drillTimes(drill);
  return {
    ...{ id, scenario, selection: replacement.selection, issuer: replacement.issuer },
    ...{ startedAt: iso(startedAt), deadline: iso(replacement.deadline), finishedAt: iso(finishedAt) },
    cancelled: replacement.endedAt !== null,
    certificates: members.length,
    proved: stages.find(({ stage }) => stage === "proved")?.reached ?? 0,
    stages: stages.map((times) => ({ ...times, before: quantiles(earlier, times.stage) })),
    comparedWith: before
      ? { id: before.id, startedAt: iso(before.startedAt), certificates: before.members.length }
      : null,
    members: members.map(({ certificate, detected, issued, deployed, proved }) => ({
      certificate,
      ...{ detectedAt: iso(detected), issuedAt: iso(issued), deployedAt: iso(deployed), provedAt: iso(proved) },
    })),
  };
}

function quantiles(times: readonly DrillTimes[], of: DrillStage): DrillStageEntry["before"] {
  const found = times.find(({ stage }) => stage === of);
  return found === undefined ? null : { p50Ms: found.p50Ms, p95Ms: found.p95Ms, maxMs: found.maxMs };
}
