import { describe, expect, test } from "vitest";
import type { StoreBench } from "../conformance/store.ts";
import { DAY_MS, NOW, renewalInfo } from "../support/model/facts.ts";

const UNKNOWN = { windowStart: null, windowEnd: null, renewAt: null, polledAt: null };

export function renewalInfoTests(bench: () => StoreBench): void {
  describe("renewal infos", () => {
    test("are asked for at once for a new version, and come back as they were stored", async () => {
      const { renewalInfos } = bench().store;
      expect(await renewalInfos.get("www")).toBeNull();
      await renewalInfos.watch("www", 1, NOW);
      expect(await renewalInfos.list()).toEqual([renewalInfo({ ...UNKNOWN, nextPollAt: NOW })]);
      const {
        certificate: _name,
        generation: _generation,
        ...patch
      } = renewalInfo({
        explanationUrl: "https://ca.example/why",
        failures: 2,
        errorCode: "acme.server",
        errorMessage: "503",
      });
      expect(await renewalInfos.update("www", 1, patch)).toBe(true);
      expect(await renewalInfos.get("www")).toEqual(renewalInfo(patch));
    });

    test("of an older version neither survive a newer one nor overwrite it", async () => {
      const { renewalInfos } = bench().store;
      await renewalInfos.watch("www", 1, NOW);
      await renewalInfos.update("www", 1, { windowStart: 1, windowEnd: 2, renewAt: 1, failures: 3 });
      await renewalInfos.watch("www", 2, NOW + 1);
      expect(await renewalInfos.update("www", 1, { nextPollAt: null })).toBe(false);
      expect(await renewalInfos.get("www")).toEqual(renewalInfo({ ...UNKNOWN, generation: 2, nextPollAt: NOW + 1 }));
    });

    test("are due by their next poll, most overdue first", async () => {
      const { renewalInfos } = bench().store;
      for (const [name, at] of [
        ["a", NOW],
        ["b", NOW - DAY_MS],
        ["c", NOW + 1],
        ["d", NOW - 1],
      ] as const)
        await renewalInfos.watch(name, 1, at);
      await renewalInfos.watch("e", 1, NOW);
      await renewalInfos.update("e", 1, { nextPollAt: null });
      expect((await renewalInfos.due(NOW, 9)).map(({ certificate }) => certificate)).toEqual(["b", "d", "a"]);
      expect(await renewalInfos.due(NOW, 1)).toHaveLength(1);
    });
  });
}
