import { expect, test } from "vitest";
import type { Heartbeat } from "../../../src/domain/heartbeat.ts";
import { lostProcesses, lostProcessFaults } from "../../../src/renewal/rules/lostProcesses.ts";
import { DAY_MS, heartbeat, NOW } from "../../support/model/facts.ts";

const MINUTE_MS = 60_000;
const verifier = (patch: Partial<Heartbeat>): Heartbeat => heartbeat({ role: "verifier", ...patch });
const LIVE = verifier({ process: "b/2", host: "b" });
const lost = (patch: Partial<Heartbeat> = {}): Heartbeat =>
  verifier({ process: "a/1", host: "a", beatAt: NOW - 6 * MINUTE_MS, ...patch });

test.each([
  ["one of several that died", [lost(), LIVE], ["a/1"]],
  ["all roles of one process", [lost(), LIVE, lost({ role: "acme" }), heartbeat({ role: "acme" })], ["a/1"]],
  ["none that stopped in order", [lost({ stoppedAt: NOW - MINUTE_MS }), LIVE], []],
  ["none that has reported lately", [lost({ beatAt: NOW - MINUTE_MS / 2 }), LIVE], []],
  ["none that died long ago", [lost({ beatAt: NOW - DAY_MS }), LIVE], []],
  ["none whose machine has a newer one", [lost(), verifier({ process: "a/9", host: "a", startedAt: NOW - 1 })], []],
  ["none beside which nobody does the same: its role is missing", [lost()], []],
  ["none whose targets nobody else serves", [lost({ targets: ["lb"] }), LIVE], []],
  ["none whose vantage nobody else has", [lost({ vantage: "office" }), LIVE], []],
] as const)("%s", (_, beats, expected) => {
  expect(lostProcesses(beats, NOW).map(({ process }) => process)).toEqual(expected);
});

test("people are warned after five minutes, in words that stay the same", () => {
  const beatAt = NOW - 4 * MINUTE_MS;
  expect(lostProcessFaults([lost({ beatAt }), LIVE], NOW)).toEqual([]);
  const later = NOW + 2 * MINUTE_MS;
  const live = verifier({ process: "b/2", host: "b", beatAt: later });
  const [fault] = lostProcessFaults([lost({ beatAt }), live], later);
  expect(fault).toMatchObject({ rule: "processLost", severity: "warning", certificate: null });
  expect(fault?.what).toContain("a/1 (verifier) has not reported since");
  const next = { ...live, beatAt: later + MINUTE_MS };
  expect(lostProcessFaults([lost({ beatAt }), next], later + MINUTE_MS)).toEqual([fault]);
});
