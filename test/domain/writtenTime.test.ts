import { describe, expect, test } from "vitest";
import { durationOption, futureOption, pastOption } from "../../src/domain/writtenTime.ts";

const NOW = Date.UTC(2026, 10, 22, 12);
const HOUR_MS = 3_600_000;

describe("--since", () => {
  test.each([
    ["7d", NOW - 7 * 24 * HOUR_MS],
    ["12h", NOW - 12 * HOUR_MS],
    ["30m", NOW - HOUR_MS / 2],
    ["2w", NOW - 14 * 24 * HOUR_MS],
    ["2026-11-01", Date.UTC(2026, 10, 1)],
    ["2026-11-01 06:30", Date.UTC(2026, 10, 1, 6, 30)],
    ["2026-11-22 18:40:05Z", Date.UTC(2026, 10, 22, 18, 40, 5)],
    ["2026-11-01T06:30:00+02:00", Date.UTC(2026, 10, 1, 4, 30)],
    ["2028-02-29", Date.UTC(2028, 1, 29)],
  ])("understands %s", (text, at) => {
    expect(pastOption("--since", text, NOW)).toBe(at);
  });

  test.each([
    "",
    "yesterday",
    "7",
    "-7d",
    "7 d",
    "1.5h",
    "2026-02-30",
    "2026-13-01",
    "2026-11-1",
    "26-11-01",
    "99999999d",
    "2026-11-01T25:00",
  ])("refuses %j and says what it takes", (text) => {
    expect(() => pastOption("--since", text, NOW)).toThrow(/^--since: ".*" is neither a duration such as 7d/);
  });
});

test("--until must lie ahead", () => {
  expect(futureOption("--until", "2d", NOW)).toBe(NOW + 48 * HOUR_MS);
  expect(futureOption("--until", "2026-12-01", NOW)).toBe(Date.UTC(2026, 11, 1));
  expect(() => futureOption("--until", "2026-11-01", NOW)).toThrow('--until: "2026-11-01" is not in the future');
  expect(() => futureOption("--until", "0d", NOW)).toThrow("is not in the future");
});

test("--timeout takes a duration only", () => {
  expect(durationOption("--timeout", "10m")).toBe(600_000);
  for (const text of ["0s", "2026-12-01", "soon"])
    expect(() => durationOption("--timeout", text)).toThrow("is not a duration such as");
});
