import { describe, expect, it } from "vitest";
import { type Generation, judgeVisits, type Visit } from "./continuity.ts";

const GENERATIONS: readonly Generation[] = [
  { generation: 1, fingerprint: "one", verifiedAt: 1_000 },
  { generation: 2, fingerprint: "two", verifiedAt: 2_000 },
  { generation: 3, fingerprint: "three", verifiedAt: null },
];

function visit(openedAt: number, fingerprint: string | null, answered = true): Visit {
  return { openedAt, fingerprint, answered, problem: fingerprint === null ? "reset" : null };
}

describe("the judge of continuity", () => {
  it("passes the old pair before, and the new one before and after, the verification", () => {
    const visits = [visit(1_001, "one"), visit(1_800, "two"), visit(2_000, "one"), visit(2_001, "two")];
    expect(judgeVisits(visits, GENERATIONS)).toMatchObject({
      handshakes: 4,
      failed: [],
      stale: [],
      unseen: [],
      marginMs: 0,
    });
  });

  it("finds a connection opened one millisecond after the verification that saw the old pair", () => {
    expect(judgeVisits([visit(2_001, "one"), visit(2_050, "two")], GENERATIONS).stale).toEqual([
      { openedAt: 2_001, saw: 1, verified: 2, lateMs: 1 },
    ]);
  });

  it("passes a pair that is newer than the last verified one, and no pair that nobody issued", () => {
    expect(judgeVisits([visit(2_100, "two"), visit(2_500, "three"), visit(500, "other")], GENERATIONS).stale).toEqual([
      { openedAt: 500, saw: null, verified: null, lateMs: 0 },
    ]);
  });

  it("counts failed handshakes, and first requests without an answer apart from them", () => {
    const judged = judgeVisits([visit(2_100, null), visit(2_200, "two", false), visit(2_300, "two")], GENERATIONS);
    expect(judged).toMatchObject({ handshakes: 3, failed: [visit(2_100, null)], unanswered: 1, stale: [] });
  });

  it("names verified generations that no connection saw, which would prove nothing", () => {
    expect(judgeVisits([visit(1_100, "one"), visit(1_900, "two"), visit(2_100, null)], GENERATIONS).unseen).toEqual([
      2,
    ]);
  });

  it("tells the shortest time from a last look at the old pair to the verification", () => {
    expect(judgeVisits([visit(200, "one"), visit(1_400, "one"), visit(1_500, "two")], GENERATIONS).marginMs).toBe(600);
    expect(judgeVisits([visit(2_400, "two")], GENERATIONS).marginMs).toBeNull();
  });
});
