// The whole night in one go: everything that `status` promises to name, broken one after another.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Drill, Injection, Outcome } from "./drill.ts";
import { allRoles, type Fault, green, type Night, startNight, suffer } from "./night.ts";
import { FAULTS } from "./nightFaults.ts";

const FIRST_ISSUE_MAX_MS = 60_000;

interface Suffered {
  readonly injections: readonly Injection[];
  readonly notes: readonly string[];
  readonly problems: readonly string[];
}

/** Each begins with a green screen, so the first that is missed ends the night. */
export async function sufferAll(night: Night, faults: readonly Fault[]): Promise<Suffered> {
  await writeFile(join(night.home, "page"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  await allRoles(night);
  await night.system.ended("www", FIRST_ISSUE_MAX_MS);
  await green(night);
  const injections: Injection[] = [];
  const notes: string[] = [];
  for (const fault of faults) {
    try {
      const { namedMs, greenMs } = await suffer(night, fault);
      const convergedAt = Date.now();
      injections.push({ at: convergedAt - namedMs - greenMs, convergedAt });
      notes.push(
        `${fault.title}: named after ${seconds(namedMs)}, green ${seconds(greenMs)} after its advice was typed`,
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { injections, notes, problems: [`${fault.title}: ${why}`] };
    }
  }
  return { injections, notes, problems: [] };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

const night: Drill = {
  name: "night",
  faults: "status",
  title: `${FAULTS.length} things break; status alone names each, and its advice, typed literally, makes it green again`,
  quick: false,
  async alone() {
    const outcomes: Outcome[] = [];
    for (const onPostgres of [false, true]) {
      await using started = await startNight({ onPostgres });
      outcomes.push(
        await sufferAll(
          started,
          FAULTS.filter((fault) => (fault.onPostgres ?? false) === onPostgres),
        ),
      );
    }
    return {
      injections: outcomes.flatMap(({ injections }) => injections),
      notes: outcomes.flatMap(({ notes = [] }) => notes),
      problems: outcomes.flatMap(({ problems = [] }) => problems),
    };
  },
};

export const NIGHT_DRILLS: readonly Drill[] = [night];
