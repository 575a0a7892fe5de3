import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, NOW, version } from "../support/model/facts.ts";

export function replacementTests(bench: () => StoreBench): void {
  describe("replacements", () => {
    const replacement = (id: string, patch = {}) => ({
      id,
      selection: "--issuer ca",
      issuer: null,
      deadline: NOW + 9,
      createdAt: NOW,
      endedAt: null,
      ...patch,
    });

    test("have members until cancelled; the one that replaces the latest generation counts", async () => {
      const { replacements } = bench().store;
      const many = Array.from({ length: 2_500 }, (_, index) => ({
        replacement: "a",
        certificate: `c${index}`,
        generation: 1,
        wave: 0,
      }));
      await replacements.create(replacement("a"), many);
      await replacements.create(replacement("b", { createdAt: NOW + 1, issuer: "other" }), [
        { replacement: "b", certificate: "c0", generation: 2, wave: 0 },
      ]);
      expect((await replacements.list()).map(({ id }) => id)).toEqual(["b", "a"]);
      expect(await replacements.members("a")).toHaveLength(2_500);
      expect(await replacements.of("c0")).toEqual({
        ...{
          replacement: "b",
          certificate: "c0",
          generation: 2,
          wave: 0,
          issuer: "other",
          deadline: NOW + 9,
          waitsFor: 0,
        },
      });
      await replacements.end("b", NOW + 2);
      await replacements.end("b", NOW + 3);
      expect((await replacements.list())[0]?.endedAt).toBe(NOW + 2);
      expect(await replacements.of("c0")).toMatchObject({ replacement: "a" });
      expect(await replacements.of("unknown")).toBeNull();
      expect(await replacements.memberships()).toHaveLength(2_500);
    });

    test("count the members of earlier waves that are not done, without those removed from configuration", async () => {
      const { replacements, certificates, versions } = bench().store;
      const names = ["a", "b", "c", "d"];
      await certificates.sync(
        names.map((name) => certificate({ name })),
        NOW,
      );
      await replacements.create(
        replacement("x"),
        names.map((name, index) => ({
          replacement: "x",
          certificate: name,
          generation: 1,
          wave: [0, 0, 1, 2][index] ?? 0,
        })),
      );
      await replacements.create(replacement("y", { endedAt: NOW }), [
        { replacement: "y", certificate: "c", generation: 9, wave: 0 },
      ]);
      const waiting = async (): Promise<number[]> => {
        const each = await Promise.all(
          names.map(async (name) => (await replacements.of(name))?.waitsFor ?? Number.NaN),
        );
        expect(new Map((await replacements.memberships()).map((row) => [row.certificate, row.waitsFor]))).toEqual(
          new Map(names.map((name, index) => [name, each[index]])),
        );
        return each;
      };
      expect(await waiting()).toEqual([0, 0, 2, 3]);
      await versions.insert(version({ certificate: "a", generation: 2, verifiedAt: null }), new Secret("key"));
      expect(await waiting()).toEqual([0, 0, 2, 3]);
      await versions.markVerified("a", 2, NOW);
      expect(await waiting()).toEqual([0, 0, 1, 2]);
      await certificates.sync(
        names.filter((name) => name !== "b").map((name) => certificate({ name })),
        NOW,
      );
      expect(await waiting()).toEqual([0, 0, 0, 1]);
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
