import { expect, test } from "vitest";
import type { EventDetail, EventType, HistoryEvent } from "../../src/domain/event.ts";
import { stagesOf } from "../../src/reports/stages.ts";
import { NOW } from "../support/model/facts.ts";

const event = (afterMs: number, type: EventType, detail: EventDetail = {}): HistoryEvent => ({
  ...{ seq: afterMs, at: NOW + afterMs, type, certificate: "www", renewalId: "r", target: null, worker: "w/1" },
  detail,
});

test("a renewal's time is issuing, deploying, verifying, and waiting between a failure and the next attempt", () => {
  const { totalsMs, spans, marks } = stagesOf(
    [
      event(0, "renewal.planned"),
      event(1_000, "issue.started"),
      event(3_000, "issue.failed", { retryAt: NOW + 60_000 }),
      event(60_000, "issue.started"),
      event(64_000, "version.issued"),
      event(65_000, "deploy.started"),
      event(70_000, "verify.started"),
      event(90_000, "renewal.succeeded"),
    ],
    NOW + 90_000,
  );
  expect(totalsMs).toEqual({ waiting: 58_000, issuing: 7_000, deploying: 5_000, verifying: 20_000 });
  expect(spans.map(({ stage }) => stage)).toEqual([
    "waiting",
    "issuing",
    "waiting",
    "issuing",
    "deploying",
    "verifying",
  ]);
  expect(marks.filter(({ isFailure }) => isFailure)).toHaveLength(1);
});

test("from a wave that failed to a person's decision it waits", () => {
  const { totalsMs } = stagesOf(
    [
      event(0, "deploy.started"),
      event(4_000, "renewal.held"),
      event(90_000, "renewal.resumed"),
      event(91_000, "deploy.started"),
    ],
    NOW + 93_000,
  );
  expect(totalsMs).toMatchObject({ waiting: 87_000, deploying: 6_000 });
});

test("one without an event takes no time", () => {
  expect(stagesOf([], NOW)).toMatchObject({ spans: [], totalsMs: { waiting: 0, issuing: 0 } });
});
