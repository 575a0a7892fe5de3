const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** "3 d 4 h", "12 min 5 s", "0.4 s": the two largest units, for people. */
export function formatDuration(durationMs: number): string {
  const ms = Math.abs(durationMs);
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const largest = UNITS.findIndex(([, size]) => ms >= size);
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, size] of UNITS.slice(largest, largest + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.join(" ");
}

/** "2026-11-22 18:40:05Z": sortable, unambiguous, without the noise of milliseconds. */
export function formatInstant(at: number): string {
  return new Date(at)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}
