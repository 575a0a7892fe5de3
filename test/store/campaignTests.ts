import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import type { StoreBench } from "../conformance/store.ts";
import { NOW, version } from "../support/facts.ts";

export function campaignTests(bench: () => StoreBench): void {
  describe("campaigns", () => {
    const campaign = (id: string, patch = {}) => ({ id, selection: "--issuer ca", issuer: null, deadline: NOW + 9, createdAt: NOW, endedAt: null, ...patch });

    test("have members until they are cancelled; of several the one that replaces the latest generation counts", async () => {
      const { campaigns } = bench().store;
      const many = Array.from({ length: 2_500 }, (_, index) => ({ campaign: "a", certificate: `c${index}`, generation: 1 }));
      await campaigns.create(campaign("a"), many);
      await campaigns.create(campaign("b", { createdAt: NOW + 1, issuer: "other" }), [{ campaign: "b", certificate: "c0", generation: 2 }]);
      expect((await campaigns.list()).map(({ id }) => id)).toEqual(["b", "a"]);
      expect(await campaigns.members("a")).toHaveLength(2_500);
      expect(await campaigns.of("c0")).toEqual({ campaign: "b", certificate: "c0", generation: 2, issuer: "other", deadline: NOW + 9 });
      await campaigns.end("b", NOW + 2);
      await campaigns.end("b", NOW + 3);
      expect((await campaigns.list())[0]?.endedAt).toBe(NOW + 2);
      expect(await campaigns.of("c0")).toMatchObject({ campaign: "a" });
      expect(await campaigns.of("unknown")).toBeNull();
      expect(await campaigns.memberships()).toHaveLength(2_500);
    });

    test("a revocation is found by serial and keeps its first instant", async () => {
      const { versions } = bench().store;
      await versions.insert(version(), new Secret("key"));
      expect((await versions.bySerial("01"))?.revokedAt).toBeNull();
      expect(await versions.bySerial("0")).toBeNull();
      await versions.markRevoked("www", 1, NOW);
      await versions.markRevoked("www", 1, NOW + 1);
      expect((await versions.latest("www"))?.revokedAt).toBe(NOW);
    });
  });
}
