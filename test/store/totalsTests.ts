import { describe, expect, test } from "vitest";
import type { EventType, NewEvent } from "../../src/domain/event.ts";
import type { StoreBench } from "../conformance/store.ts";
import { DAY_MS, NOW } from "../support/model/facts.ts";

export function totalsTests(bench: () => StoreBench): void {
  describe("totals", () => {
    const event = (type: EventType, at = NOW, renewalId: string | null = null): NewEvent => {
      return { at, type, certificate: "www", renewalId, target: null, detail: {} };
    };
    const countOf = async (type: EventType): Promise<number> =>
      (await bench().store.totals.read()).events.find((each) => each.type === type)?.count ?? 0;

    test("count each event once: in parts, again, and by two at the same time", async () => {
      const { totals, events } = bench().store;
      for (let index = 0; index < 5; index += 1) await events.append(event("renewal.failed"));
      await totals.count(2);
      expect(await countOf("renewal.failed")).toBe(2);
      const { lastSeq, countedSeq } = await totals.read();
      expect(lastSeq - countedSeq).toBe(3);
      await Promise.all([totals.count(1_000), totals.count(1_000), totals.count(1_000)]);
      await totals.count(1_000);
      expect(await countOf("renewal.failed")).toBe(5);
    });

    test("keep what retention has removed from the history", async () => {
      const { totals, events, retention } = bench().store;
      // The newest always stays.
      for (const days of [500, 1]) await events.append(event("deploy.failed", NOW - days * DAY_MS));
      await totals.count(1_000);
      expect(await retention.pruneEvents(NOW - 400 * DAY_MS, NOW, 1_000)).toBe(1);
      await totals.count(1_000);
      expect(await countOf("deploy.failed")).toBe(2);
    });

    test("hold how long each stage of a succeeded renewal took, when it ended, and of no other", async () => {
      const { totals, events } = bench().store;
      const moments: readonly (readonly [EventType, number])[] = [
        ["renewal.planned", 0],
        ["issue.started", 500],
        ["version.issued", 10_500],
        ["deploy.succeeded", 40_500],
        ["deploy.succeeded", 100_500],
      ];
      for (const [type, after] of moments)
        for (const id of ["done", "failed"]) await events.append(event(type, NOW + after, id));
      await events.append(event("renewal.failed", NOW + 200_000, "failed"));
      // What came before its end was counted long ago.
      await totals.count(1_000);
      expect((await totals.read()).stages.every(({ count }) => count === 0)).toBe(true);
      await events.append(event("renewal.succeeded", NOW + 100_000_000, "done"));
      await totals.count(1_000);
      const stages = Object.fromEntries((await totals.read()).stages.map((each) => [each.stage, each]));
      expect(stages.waiting).toEqual({ stage: "waiting", count: 1, sumMs: 500, within: [1, 1, 1, 1, 1, 1, 1, 1, 1] });
      expect(stages.issuing).toMatchObject({ sumMs: 10_000, within: [0, 0, 1, 1, 1, 1, 1, 1, 1] });
      expect(stages.deploying).toMatchObject({ sumMs: 90_000, within: [0, 0, 0, 0, 1, 1, 1, 1, 1] });
      // Longer than every bound.
      expect(stages.total).toMatchObject({ count: 1, sumMs: 100_000_000, within: [0, 0, 0, 0, 0, 0, 0, 0, 0] });
    });
  });
}
