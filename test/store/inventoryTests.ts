import { describe, expect, test } from "vitest";
import { ANNOUNCED, type FoundPlace } from "../../src/domain/inventory.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { StoreBench } from "../conformance/store.ts";
import { ISSUED_AT, NOW, sighting, version } from "../support/model/facts.ts";

const DAY_MS = 86_400_000;

export function inventoryTests(bench: () => StoreBench): void {
  describe("the inventory", () => {
    test("keeps one row per certificate, with all its places, each since when and until when", async () => {
      const { inventory } = bench().store;
      const file: FoundPlace = {
        source: "files",
        place: "/etc/x.pem",
        endpoint: null,
        target: { type: "files", bundle: "/etc/x.pem" },
      };
      await inventory.record([sighting()], NOW);
      await inventory.record([sighting({}, file)], NOW + 1);
      await inventory.record([sighting()], NOW + 2);
      const [entry, ...others] = await inventory.list();
      expect(others).toEqual([]);
      expect(entry).toMatchObject({ firstSeen: NOW, lastSeen: NOW + 2, ignored: null, announced: 0, managedAs: null });
      expect(entry?.certificate).toEqual(sighting().certificate);
      expect(entry?.places).toEqual([
        { ...file, firstSeen: NOW + 1, lastSeen: NOW + 1 },
        { ...sighting().place, firstSeen: NOW, lastSeen: NOW + 2 },
      ]);
    });

    test("is found by the begin of a fingerprint and by key, the first to end first", async () => {
      const { inventory } = bench().store;
      const late = sighting({ fingerprint: "aa".repeat(32), notAfter: ISSUED_AT + 99 * DAY_MS });
      const early = sighting({ fingerprint: "ab".repeat(32), notAfter: ISSUED_AT + DAY_MS });
      const other = sighting({ fingerprint: "ba".repeat(32), key: "1".repeat(64), notAfter: ISSUED_AT });
      await inventory.record([late, early, other], NOW);
      const digits = async (found: ReturnType<typeof inventory.list>) =>
        (await found).map(({ certificate }) => certificate.fingerprint.slice(0, 2));
      expect(await digits(inventory.list())).toEqual(["ba", "ab", "aa"]);
      expect(await digits(inventory.list({ key: "e".repeat(64) }))).toEqual(["ab", "aa"]);
      expect(await digits(inventory.list({ fingerprints: ["aa".repeat(32)] }))).toEqual(["aa"]);
      expect(await digits(inventory.list({ fingerprints: [] }))).toEqual([]);
      expect(await digits(inventory.list({ endsBefore: ISSUED_AT + DAY_MS }))).toEqual(["ba"]);
      const { source } = sighting().place;
      expect(await digits(inventory.list({ source, endsBefore: ISSUED_AT + 2 * DAY_MS }))).toEqual(["ba", "ab"]);
      expect(await digits(inventory.list({ source: "ct" }))).toEqual([]);
      expect(await inventory.count()).toBe(3);
      expect(await digits(inventory.find("ab"))).toEqual(["ab"]);
      expect(await digits(inventory.find("a"))).toEqual(["aa", "ab"]);
    });

    test("knows of which configured certificate it is a version", async () => {
      const { store } = bench();
      const issued = version({ certificate: "www" });
      await store.versions.insert(issued, new Secret("planted-private-key"));
      const { fingerprint, serial } = issued.leaf;
      await store.inventory.record([sighting({ fingerprint, serial }), sighting({ serial })], NOW);
      const managed = (await store.inventory.list()).map(({ certificate, managedAs }) => [
        certificate.fingerprint,
        managedAs,
      ]);
      expect(new Map(managed as [string, string | null][])).toEqual(
        new Map([
          [fingerprint, "www"],
          ["f".repeat(64), null],
        ]),
      );
    });

    test("remembers what is ignored and what was announced, whatever is seen afterwards", async () => {
      const { inventory } = bench().store;
      const { fingerprint } = sighting().certificate;
      const ignored = { reason: "theirs", by: "ada", at: NOW, until: NOW + DAY_MS };
      await inventory.record([sighting()], NOW);
      await inventory.ignore(fingerprint, ignored);
      await inventory.announce([fingerprint], ANNOUNCED.expiring);
      await inventory.record([sighting()], NOW + 1);
      expect(await inventory.list()).toMatchObject([{ ignored, announced: ANNOUNCED.expiring }]);
      await inventory.ignore(fingerprint, null);
      expect(await inventory.list()).toMatchObject([{ ignored: null }]);
    });

    test("forgets places that were not seen for long, and certificates without any", async () => {
      const { inventory } = bench().store;
      await inventory.record([sighting(), sighting({ fingerprint: "a".repeat(64) })], NOW);
      await inventory.record([sighting({}, { place: "elsewhere" })], NOW + DAY_MS);
      await inventory.forget(NOW + 1);
      const left = await inventory.list();
      expect(
        left.map(({ certificate, places }) => [certificate.fingerprint, places.map(({ place }) => place)]),
      ).toEqual([["f".repeat(64), ["elsewhere"]]]);
    });

    test("keeps how the last run of each source went", async () => {
      const { inventory } = bench().store;
      const run = { source: "files", startedAt: NOW, finishedAt: NOW + 5, found: 2, problems: ["one"] } as const;
      await inventory.saveRun({ ...run, found: 1 });
      await inventory.saveRun(run);
      expect(await inventory.runs()).toEqual([run]);
    });

    test("shows no row that somebody else wrote: nobody plants that a certificate is ignored", async () => {
      const { backend, store } = bench();
      await store.inventory.record([sighting()], NOW);
      await backend.run(`update inventory set ignored = '{"reason":"x","by":null,"at":1,"until":9999999999999}'`);
      expect(await store.inventory.list()).toEqual([]);
      // The next look finds it again, as if for the first time.
      await store.inventory.record([sighting()], NOW + 7);
      expect(await store.inventory.list()).toMatchObject([{ ignored: null, firstSeen: NOW + 7 }]);
    });
  });
}
