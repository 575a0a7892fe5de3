import { describe, expect, it } from "vitest";
import {
  DAY_MS,
  formatAgo,
  formatDuration,
  formatInstant,
  HOUR_MS,
  parseDuration,
  retryAfterInstant,
} from "../../src/domain/time.ts";

describe("durations", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["2h", 2 * HOUR_MS],
    ["1w", 7 * DAY_MS],
    ["1.5h", null],
    ["-1s", null],
    ["1 s", null],
    ["s", null],
    ["10", null],
    ["1234567890s", null],
    ["1y", null],
    ["99999999d", null],
  ])("reads %s as %s ms", (text, expected) => {
    expect(parseDuration(text, ["ms", "s", "m", "h", "d", "w"])).toBe(expected);
  });

  it("knows only the units that a place allows", () => {
    expect(parseDuration("1d", ["s", "m"])).toBeNull();
  });

  it.each([
    [0, "0 ms"],
    [49, "49 ms"],
    [400, "0.4 s"],
    [9_940, "9.9 s"],
    [9_999, "10 s"],
    [65_000, "1 min 5 s"],
    [3 * DAY_MS + 4 * HOUR_MS + 5, "3 d 4 h"],
    [DAY_MS, "1 d"],
  ])("says %i ms as %s", (durationMs, expected) => {
    expect(formatDuration(durationMs)).toBe(expected);
  });

  it.each([
    [0, "moments ago"],
    [999, "moments ago"],
    [1_500, "1.5 s ago"],
    [2 * HOUR_MS, "2 h ago"],
  ])("says that what was %i ms before is %s", (durationMs, expected) => {
    expect(formatAgo(durationMs)).toBe(expected);
  });
});

describe("Retry-After", () => {
  const now = Date.UTC(2026, 0, 1);
  const read = (header: string | undefined): number | null => retryAfterInstant(header, { now, maxMs: DAY_MS });

  it.each([
    ["120", now + 120_000],
    [" 120 ", now + 120_000],
    ["Thu, 01 Jan 2026 01:00:00 GMT", now + HOUR_MS],
    ["Wed, 31 Dec 2025 00:00:00 GMT", now],
    ["3153600000", now + DAY_MS],
    ["Thu, 01 Jan 2126 00:00:00 GMT", now + DAY_MS],
    ["soon", null],
    [undefined, null],
  ])("reads %s", (header, expected) => {
    expect(read(header)).toBe(expected);
  });

  it("shows instants without milliseconds", () => {
    expect(formatInstant(now + 5)).toBe("2026-01-01 00:00:00Z");
    expect(formatInstant(9e18), "later than any date").toBe("+275760-09-13 00:00:00Z");
  });
});
