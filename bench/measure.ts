// What a process and everything it started used, read from /proc (Linux).
import { readdirSync, readFileSync } from "node:fs";

export interface Usage {
  readonly cpuMs: number;
  readonly rssKb: number;
}

export interface Measured {
  readonly wallS: number;
  readonly cpuMsEach: number;
  readonly peakRssMb: number;
}

const CLOCK_TICK_MS = 10;
const SAMPLE_MS = 100;

/** Of this process's descendants; without `root`, this process left out. `cpuMs` counts children that have ended. */
export function usageOf(root: number): Usage {
  const parents = new Map<number, number>();
  const found = new Map<number, Usage>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      // proc_pid_stat(5), after the name: field 4 is the parent, 14 to 17 utime, stime, cutime, cstime, 24 the pages.
      const fields = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number);
      const [ticks, pages] = [fields.slice(11, 15).reduce((sum, field) => sum + field, 0), fields[21] ?? 0];
      parents.set(Number(entry), fields[1] ?? 0);
      found.set(Number(entry), { cpuMs: ticks * CLOCK_TICK_MS, rssKb: pages * 4 });
    } catch {
      // It has ended.
    }
  }
  const below = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (pid === root || below(parents.get(pid)));
  const counted = [...found].filter(([pid]) => below(pid)).map(([, usage]) => usage);
  return {
    cpuMs: counted.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    rssKb: counted.reduce((sum, { rssKb }) => sum + rssKb, 0),
  };
}

/** Measures `work` while it runs: time, and what the tree below the process `pid()` says uses. */
export async function measured(count: number, usage: () => Usage, work: () => Promise<unknown>): Promise<Measured> {
  let peakKb = 0;
  const sampling = setInterval(() => {
    peakKb = Math.max(peakKb, usage().rssKb);
  }, SAMPLE_MS);
  const before = usage();
  const startedAt = performance.now();
  try {
    await work();
    const wallS = (performance.now() - startedAt) / 1000;
    return { wallS, cpuMsEach: (usage().cpuMs - before.cpuMs) / count, peakRssMb: peakKb / 1024 };
  } finally {
    clearInterval(sampling);
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
