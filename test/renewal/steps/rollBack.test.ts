// Which pair is gone back to, on a real store.
import { describe, expect, it } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Version } from "../../../src/domain/version.ts";
import { pairBefore, rollBack, unfitness } from "../../../src/renewal/steps/rollBack.ts";
import { certificate, DAY_MS, ISSUED_AT, NOW, version } from "../../support/model/facts.ts";
import { configText, createInstallation } from "../../support/system/installation.ts";

type Made = Partial<Omit<Version, "leaf">> & { readonly fingerprint?: string; readonly notAfter?: number };

/** Generations 1, 2, 3 … as given; the last is the bad one. */
async function afterVersions(
  versions: readonly Made[],
  look: (before: Version | null, store: Store) => unknown,
): Promise<void> {
  await using installation = await createInstallation(configText(["www"]));
  for (const [
    i,
    { fingerprint = `${i}${i}`.repeat(32), notAfter = ISSUED_AT + 90 * DAY_MS, ...patch },
  ] of versions.entries()) {
    await installation.issue(
      version({ generation: i + 1, ...patch, leaf: { ...version().leaf, fingerprint, notAfter } }),
    );
  }
  await look(await pairBefore(installation.store, "www", versions.length, NOW), installation.store);
}

const BAD: Made = { verifiedAt: null };

describe("the pair that is gone back to", () => {
  it.each<[string, readonly Made[], number | null]>([
    ["is the newest before it that was proved", [{}, {}, BAD], 2],
    ["is none on the first issue", [BAD], null],
    ["is not one that was never proved", [{}, { verifiedAt: null }, BAD], 1],
    ["is not one that expired", [{}, { notAfter: NOW }, BAD], 1],
    ["is not one that was revoked", [{}, { revokedAt: NOW - 1 }, BAD], 1],
    [
      "is not one that was revoked under a later number",
      [{}, { fingerprint: "same" }, { fingerprint: "same", revokedAt: NOW - 1 }, BAD],
      1,
    ],
    [
      "is not the very pair that is bad under an earlier number",
      [{}, { fingerprint: "bad" }, { ...BAD, fingerprint: "bad" }],
      1,
    ],
    [
      "is not one that was taken back before, when going back twice",
      [{}, { fingerprint: "kept" }, {}, { fingerprint: "kept" }],
      1,
    ],
    [
      "is none when all before are unfit",
      [{ verifiedAt: null }, { notAfter: NOW - 1 }, { revokedAt: NOW - 1 }, BAD],
      null,
    ],
  ])("%s", async (_what, versions, generation) => {
    await afterVersions(versions, (before) => expect(before?.generation ?? null).toBe(generation));
  });

  it("is called unfit with its reason", () => {
    expect(unfitness(version(), [version()], NOW)).toBeNull();
    expect(unfitness(version(), [version({ revokedAt: NOW - 60_000 })], NOW)).toBe("was revoked 1 min ago");
    expect(unfitness(version(), [version()], ISSUED_AT + 91 * DAY_MS)).toBe("expired 1 d ago");
  });

  it.each([
    ["a day later", 80 * DAY_MS, DAY_MS],
    ["four times before it expires", 2 * DAY_MS, DAY_MS / 2],
    ["not more often than every quarter of an hour", 600_000, 900_000],
  ])("becomes the next generation, and a new pair is tried %s", async (_when, leftMs, waitMs) => {
    await afterVersions([{ notAfter: NOW + leftMs }, BAD], async (to, store) => {
      const wanted = certificate({ targets: ["edge", "lb"] });
      const renewal = await store.transaction((tx) =>
        rollBack(
          tx,
          { certificate: wanted, to: to ?? expect.unreachable(), ended: null, why: "it broke", trigger: "request" },
          NOW,
        ),
      );
      expect(renewal).toMatchObject({
        reason: "rollback",
        generation: 3,
        state: "planned",
        reasonDetail: "generation 1 again: it broke",
      });
      expect(await store.versions.get("www", 3)).toMatchObject({ leaf: to?.leaf, verifiedAt: null });
      expect((await store.versions.privateKey("www", 3)).reveal()).toBe(new Secret("planted-private-key").reveal());
      expect(
        (await store.deployments.list("www")).map(({ target, wantedGeneration }) => [target, wantedGeneration]),
      ).toEqual([
        ["edge", 3],
        ["lb", 3],
      ]);
      expect(await store.certificates.get("www")).toMatchObject({
        failures: 0,
        nextAttemptAt: NOW + waitMs,
        lastErrorCode: "deploy.rolledBack",
      });
    });
  });
});
