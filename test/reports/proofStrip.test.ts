import { expect, test } from "vitest";
import type { EventType, HistoryEvent } from "../../src/domain/event.ts";
import { proofStrips, STRIP_DAYS } from "../../src/reports/proofStrip.ts";
import { DAY_MS, NOW } from "../support/model/facts.ts";

const seen = (type: EventType, daysAgo: number): HistoryEvent => ({
  ...{ seq: 1, at: NOW - daysAgo * DAY_MS, type, certificate: "www", renewalId: null, target: null, worker: "w/1" },
  detail: { endpoint: "www@host:443" },
});

test("a day is green only by a handshake, and one wrong answer makes it red", () => {
  const events = [
    seen("verify.converged", 200),
    seen("verify.converged", STRIP_DAYS - 1),
    seen("verify.stale", 2),
    seen("verify.converged", 2),
    seen("verify.converged", 0),
  ];
  const strip = proofStrips(events, NOW).get("www@host:443") ?? [];
  expect(strip).toHaveLength(STRIP_DAYS);
  expect([strip[0], strip.at(-3), strip.at(-2), strip.at(-1)]).toEqual(["proved", "stale", "nothing", "proved"]);
  expect(strip.filter((day) => day === "proved")).toHaveLength(2);
});
