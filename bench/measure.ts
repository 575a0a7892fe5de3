// What a process and everything it started used, read from /proc (Linux).
import { readdirSync, readFileSync } from "node:fs";
import type { Requests } from "./front.ts";

export interface Usage {
  readonly cpuMs: number;
  readonly rssKb: number;
}

export interface Measured {
  readonly wallS: number;
  readonly cpuMsEach: number;
  readonly peakRssMb: number;
  /** ACME requests per certificate, those for nonces included. */
  readonly requestsEach: number;
  readonly newNonceEach: number;
}

export interface Contender {
  usage(): Usage;
  requests(): Promise<Requests>;
}

const CLOCK_TICK_MS = 10;
const SAMPLE_MS = 100;

/** Of `root` and all its descendants. `cpuMs` counts children that have ended once their parent has waited for them. */
export function usageOf(root: number): Usage {
  const found = processes();
  const children = Map.groupBy(found, ({ parent }) => parent);
  const all = found.filter(({ pid }) => pid === root);
  for (const each of all) {
    // Grows while it is walked. A child that runs no program of its own yet has its parent's pages, not more.
    all.push(...(children.get(each.pid) ?? []).filter((child) => !isCopyOf(child, each)));
  }
  return {
    cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    rssKb: all.reduce((sum, { rssKb }) => sum + rssKb, 0),
  };
}

interface Process extends Usage {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly command: string;
}

function isCopyOf(child: Process, parent: Process): boolean {
  return child.name === parent.name && child.command === parent.command;
}

function processes(): Process[] {
  const found: Process[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // Before the pages: of a copy that runs a program of its own in between, its parent's pages must not count.
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8");
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      // proc_pid_stat(5), after the name: field 4 is the parent, 14 to 17 utime, stime, cutime, cstime, 24 the pages.
      const [name, end] = [stat.slice(stat.indexOf("("), stat.lastIndexOf(")")), stat.lastIndexOf(")") + 2];
      const fields = stat.slice(end).split(" ").map(Number);
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + field, 0);
      const [parent = 0, pages = 0] = [fields[1], fields[21]];
      found.push({ pid: Number(entry), parent, name, command, cpuMs: ticks * CLOCK_TICK_MS, rssKb: pages * 4 });
    } catch {
      // It has ended.
    }
  }
  return found;
}

/** Measures `work`, which gets `count` certificates, while it runs. */
export async function measured(count: number, contender: Contender, work: () => Promise<unknown>): Promise<Measured> {
  let peakKb = 0;
  const look = (): void => {
    peakKb = Math.max(peakKb, contender.usage().rssKb);
  };
  const [before, asked] = [contender.usage(), await contender.requests()];
  const sampling = setInterval(look, SAMPLE_MS);
  const startedAt = performance.now();
  try {
    await work();
    const wallS = (performance.now() - startedAt) / 1000;
    look();
    const cpuMsEach = (contender.usage().cpuMs - before.cpuMs) / count;
    const { all, newNonce } = await contender.requests();
    return {
      ...{ wallS, cpuMsEach, peakRssMb: peakKb / 1024 },
      requestsEach: (all - asked.all) / count,
      newNonceEach: (newNonce - asked.newNonce) / count,
    };
  } finally {
    clearInterval(sampling);
  }
}

/** Of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[Math.floor(index)] ?? Number.NaN;
  return (at((sorted.length - 1) / 2) + at(sorted.length / 2)) / 2;
}
