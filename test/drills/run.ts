// Runs drills one after another, lets the oracle judge each, and keeps the figures.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seeded } from "../support/model/random.ts";
import { within } from "../support/until.ts";
import {
  type Drill,
  type LoneDrill,
  type Outcome,
  type Settings,
  SHARED_CERTIFICATES,
  type WorldDrill,
} from "./drill.ts";
import { judge, mark, type Verdict } from "./oracle.ts";
import { percentile } from "./timeline.ts";
import { startWorld, type World } from "./world.ts";

export interface Row {
  readonly drill: Drill;
  readonly injections: number;
  readonly verdict: Verdict;
  /** Time to converge, ms; null: nothing had to. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly durationMs: number;
  readonly notes: readonly string[];
  /** Every bar that was missed; empty: passed. */
  readonly problems: readonly string[];
}

const NO_VERDICT: Verdict = {
  lost: 0,
  mixed: 0,
  extraOrders: 0,
  excusedOrders: 0,
  failedHandshakes: 0,
  handshakes: 0,
  notes: [],
  problems: [],
};

/** `told` hears of each row as it is known. */
export async function runDrills(
  drills: readonly Drill[],
  settings: Settings,
  told: (row: Row) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  const done = (row: Row): void => {
    rows.push(row);
    told(row);
  };
  const inWorld = drills.filter((drill): drill is WorldDrill => !("alone" in drill));
  const own = inWorld.flatMap((drill) => {
    const options = drill.world?.(settings) ?? null;
    return options === null ? [] : [{ drill, options }];
  });
  const shared = inWorld.filter((drill) => !own.some((each) => each.drill === drill));
  while (shared.length > 0) {
    await using world = await startWorld({ seed: settings.seed, certificates: SHARED_CERTIFICATES });
    for (let passed = true; passed && shared.length > 0; ) {
      const [drill] = shared.splice(0, 1);
      if (drill === undefined) break;
      const row = await runOne(drill, world, settings);
      done(row);
      // What a failed drill left behind must not be taken for the next one's doing.
      passed = row.problems.length === 0;
    }
  }
  for (const { drill, options } of own) {
    await using world = await startWorld({ seed: settings.seed, ...options });
    done(await runOne(drill, world, settings));
  }
  for (const drill of drills) if ("alone" in drill) done(await runAlone(drill, settings));
  return rows;
}

async function runAlone(drill: LoneDrill, settings: Settings): Promise<Row> {
  const startedAt = performance.now();
  const { outcome, problems } = await attempt(drill, settings, () => drill.alone(settings));
  return rowOf(drill, outcome, { verdict: NO_VERDICT, problems, startedAt });
}

async function runOne(drill: WorldDrill, world: World, settings: Settings): Promise<Row> {
  const startedAt = performance.now();
  const since = await mark(world);
  const { outcome, problems } = await attempt(drill, settings, () =>
    drill.run(world, settings, seeded(settings.seed ^ hash(drill.name))),
  );
  const verdict = await judge(world, since, outcome.lossInstants ?? [], outcome.abandonedOrders).catch(
    (error: unknown) => {
      problems.push(`the oracle could not judge: ${String(error)}`);
      return NO_VERDICT;
    },
  );
  const row = rowOf(drill, outcome, { verdict, problems, startedAt });
  if (row.problems.length === 0) return row;
  return { ...row, problems: [...row.problems, `what the workers logged is in ${await keepLogs(drill, world)}`] };
}

async function attempt(
  { name, maxMs }: Drill,
  { drillMaxMs }: Settings,
  run: () => Promise<Outcome>,
): Promise<{ outcome: Outcome; problems: string[] }> {
  try {
    return { outcome: await within(`${name} to end`, run(), maxMs ?? drillMaxMs), problems: [] };
  } catch (error) {
    return {
      outcome: { injections: [] },
      problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
    };
  }
}

function rowOf(
  drill: Drill,
  outcome: Outcome,
  found: { readonly verdict: Verdict; readonly problems: readonly string[]; readonly startedAt: number },
): Row {
  const { verdict, problems, startedAt } = found;
  const all = [...problems, ...(outcome.problems ?? []), ...verdict.problems, ...missed(verdict)];
  const times = outcome.injections.map(({ at, convergedAt }) => convergedAt - at);
  return {
    drill,
    injections: outcome.injections.length,
    verdict,
    p50Ms: percentile(times, 0.5),
    p95Ms: percentile(times, 0.95),
    durationMs: performance.now() - startedAt,
    notes: [...(outcome.notes ?? []), ...verdict.notes],
    problems: all,
  };
}

/** The world is gone after a failed drill; why it failed is mostly in its logs. */
async function keepLogs({ name }: WorldDrill, { fleet }: World): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), "renewd-drill-")), `${name}.log`);
  await writeFile(file, fleet.logs().join("\n"));
  return file;
}

function missed({ lost, mixed, failedHandshakes }: Verdict): string[] {
  return [
    ...(lost > 0 ? [`${lost} certificates are not as wanted`] : []),
    ...(mixed > 0 ? [`${mixed} times key and certificate on disk did not match`] : []),
    ...(failedHandshakes > 0 ? [`${failedHandshakes} handshakes of the continuous client failed`] : []),
  ];
}

/** So that a drill's randomness does not depend on which others run. */
function hash(name: string): number {
  let value = 0;
  for (const letter of name) value = (Math.imul(value, 31) + letter.charCodeAt(0)) | 0;
  return value;
}
