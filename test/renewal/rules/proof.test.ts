import { describe, expect, it } from "vitest";
import type { Evidence, Observation } from "../../../src/domain/endpoint.ts";
import {
  addOutcome,
  endRow,
  isMixed,
  isProved,
  missingAtOnce,
  neededFor,
  noEvidence,
  type Outcome,
  type ProofTerms,
  problemOf,
  restartEvidence,
  sharesOf,
} from "../../../src/renewal/rules/proof.ts";
import { NOW } from "../../support/model/facts.ts";

const FULL: ProofTerms = { connections: 40, spreadMs: 4_000 };
const OLD = "generation 6";

/** One connection per letter, 100 ms apart: `+` good, `-` old, `.` unanswered. */
function connected(letters: string, evidence: Evidence = noEvidence(7)): Evidence {
  const outcomes: Readonly<Record<string, Outcome>> = {
    "+": { kind: "good" },
    "-": { kind: "wrong", certificate: OLD },
    ".": { kind: "unanswered" },
  };
  return [...letters].reduce(
    (known, letter, index) => addOutcome(known, outcomes[letter] ?? expect.unreachable(), NOW + index * 100),
    evidence,
  );
}

describe("proof", () => {
  it("takes the full count of connections in a row, spread over time", () => {
    expect(isProved(connected("+".repeat(41)), FULL)).toBe(true);
    expect(isProved(connected("+".repeat(39)), FULL)).toBe(false);
    expect(isProved(connected("+".repeat(41)), { ...FULL, spreadMs: 4_001 })).toBe(false);
  });

  it("begins again after one old certificate", () => {
    expect(isProved(connected(`${"+".repeat(39)}-${"+".repeat(40)}`), FULL)).toBe(false);
  });

  it("does not begin again after a connection that was not answered", () => {
    expect(isProved(connected(`${"+".repeat(20)}...${"+".repeat(20)}`), FULL)).toBe(true);
  });

  it("takes a longer row each time one has ended, so that many attempts do not add up to a chance", () => {
    const needed = [0, 1, 2, 10, 100].map((relapses) => neededFor({ ...noEvidence(7), relapses }, FULL).connections);
    expect(needed).toEqual([40, 51, 57, 76, 110]);
    const chance = Array.from(
      { length: 10_000 },
      (_, relapses) => (7 / 8) ** neededFor({ ...noEvidence(7), relapses }, FULL).connections,
    ).reduce((sum, each) => sum + each);
    expect(chance, "of a false proof where 1 of 8 connections is old, over any number of rows").toBeLessThan(0.01);
  });

  it("ends no row that a clock which was set back would keep from ending", () => {
    let evidence = addOutcome(noEvidence(7), { kind: "good" }, NOW + 3_600_000);
    evidence = connected("+".repeat(41), evidence);
    expect(isProved(evidence, FULL)).toBe(true);
  });

  it("counts from zero after a deployment and after an outage, and remembers how often a row has ended", () => {
    const known = connected(`${"+".repeat(10)}-${"+".repeat(60)}`);
    expect(isProved(known, FULL)).toBe(true);
    expect(restartEvidence(known, 7)).toMatchObject({ good: 0, relapses: 1, recent: [] });
    expect(restartEvidence(known, 8)).toEqual(noEvidence(8));
    expect(isProved(endRow(known), FULL)).toBe(false);
  });
});

describe("where the kernel shows who answers", () => {
  it("three handshakes are enough once so many connections of all certificates were answered by one process", () => {
    const missing = (good: number, attested: number): number =>
      missingAtOnce({ ...noEvidence(7), good }, FULL, attested);
    expect([missing(0, 100), missing(2, 100), missing(3, 3), missing(3, 39), missing(3, 40)]).toEqual([3, 1, 37, 1, 0]);
    expect(missingAtOnce({ ...noEvidence(7), good: 1 }, { ...FULL, connections: 1 }, 1), "as configured").toBe(0);
  });

  it("is proved by what was seen then, also by a row of a version that counted its own connections only", () => {
    const row = connected("+".repeat(3));
    expect(isProved(row, FULL)).toBe(false);
    expect(isProved({ ...row, server: 4242, attested: 40 }, FULL)).toBe(true);
    expect(isProved({ ...row, server: 4242, attested: 39 }, FULL)).toBe(false);
    expect(isProved({ ...connected("+".repeat(40)), server: 4242 }, { ...FULL, spreadMs: 10_000 })).toBe(true);
  });

  it("is no longer known after another certificate", () => {
    const proved = { ...connected("+".repeat(3)), server: 4242, attested: 40 };
    const { server, attested, ...after } = connected("-+++", proved);
    expect([server, attested, isProved(after, FULL)]).toEqual([undefined, undefined, false]);
  });
});

describe("a mixed address", () => {
  it.each([
    ["an old pair now and then", "++-+++", true],
    ["a new pair now and then", "--+---", true],
    ["before the swap", "----", false],
    ["after the swap", "---+++", false],
    ["written over", "+++---", false],
    ["clean", "+++", false],
    ["not asked", "", false],
  ])("is told from one that is not: %s", (_, letters, mixed) => {
    expect(isMixed(connected(letters))).toBe(mixed);
  });

  it("is clean again when the window of recent connections is", () => {
    expect(isMixed(connected(`++-${"+".repeat(38)}`))).toBe(true);
    expect(isMixed(connected(`++-${"+".repeat(39)}`))).toBe(false);
  });

  it("is described with the share of each certificate, since the new one was first served", () => {
    const evidence = addOutcome(connected("----++-++-++"), { kind: "wrong", certificate: "serial 0B" }, NOW);
    expect(sharesOf(evidence)).toEqual([
      { certificate: OLD, percent: 22 },
      { certificate: "serial 0B", percent: 11 },
    ]);
    const seen: Observation = {
      ...{ address: "192.0.2.1", port: 443, sni: "www", at: NOW, durationMs: 1, served: null },
      problem: { code: "verify.stale", message: "serves serial 06" },
    };
    expect(problemOf(evidence, seen)).toEqual({
      code: "verify.mixed",
      message: "serves 3 certificates: 22 % generation 6, 11 % serial 0B",
    });
    expect(problemOf(connected("---"), seen)).toBe(seen.problem);
  });
});
