import { hostname } from "node:os";
import type { HealthStore } from "../domain/heartbeat.ts";
import { isLive } from "../domain/heartbeat.ts";

/** Processes of this installation that run on this machine with every role, but for this one: `vm/4242`. */
export async function siblings(health: Pick<HealthStore, "beats">, now: number): Promise<string[]> {
  const here = `${hostname()}/`;
  const beats = await health.beats();
  const planners = beats.filter((beat) => beat.role === "planner" && isLive(beat, now));
  return planners
    .map(({ process: name }) => name)
    .filter(
      (name) => name.startsWith(here) && name !== `${here}${process.pid}` && runs(Number(name.slice(here.length))),
    );
}

/** One that was killed has not said so. */
function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
  }
}
