import { describe, expect, test } from "vitest";
import type { DnsRecord } from "../../src/domain/dnsRecord.ts";
import { openDatabase } from "../../src/store/database.ts";
import { dnsClients } from "../../src/store/migrations/0036-dns-clients.ts";
import { SEALED, sealOfRow } from "../../src/store/rowSeal.ts";
import type { StoreBench } from "../conformance/store.ts";
import { NOW, renewal } from "../support/model/facts.ts";

export function dnsTests(bench: () => StoreBench): void {
  describe("DNS records", () => {
    test("are found by challenge and by name, change, and go", async () => {
      const { records } = bench().store.dns;
      const [one, other] = [record({ id: "a" }), record({ id: "b", value: "other", createdAt: NOW + 1 })];
      await records.insert(one);
      await records.insert(other);
      expect(await records.find({ solver: "dns", identifier: "example.org", value: "other", client: null })).toEqual(
        other,
      );
      expect(
        await records.find({ solver: "else", identifier: "example.org", value: "other", client: null }),
      ).toBeNull();
      expect(await records.find({ ...other, client: "lego" })).toBeNull();
      expect(await records.at(one, one.name)).toEqual([one, other]);
      expect(await records.at({ zoneId: "else", zoneName: "example.org" }, one.name)).toEqual([]);
      await records.update("a", { state: "published", providerId: "7", publishedAt: NOW });
      expect((await records.list(1))[0]).toEqual({ ...one, state: "published", providerId: "7", publishedAt: NOW });
      await records.delete("a");
      expect(await records.list(9)).toEqual([other]);
    });

    test("of one challenge at two places: the newest is found, unless it is being removed", async () => {
      const { records } = bench().store.dns;
      const [old, now] = [record({ id: "b" }), record({ id: "a", name: "moved.example.net", createdAt: NOW + 1 })];
      await records.insert(old);
      await records.insert(now);
      expect(await records.find(old)).toEqual(now);
      await records.update("a", { state: "removing" });
      expect(await records.find(old)).toEqual(old);
      await records.update("b", { state: "removing" });
      expect(await records.find(old)).toMatchObject({ id: "a", state: "removing" });
    });

    test("that somebody altered keep none behind them from being removed", async () => {
      const { store, backend } = bench();
      for (const id of ["1", "2", "3", "4"]) await store.dns.records.insert(record({ id, state: "removing" }));
      await backend.run("update dns_records set zone_name = 'victim.example' where id in ('1', '2')");
      expect((await store.dns.records.leftovers(NOW, 2)).map(({ id }) => id)).toEqual(["3", "4"]);
      expect((await store.dns.records.list(1)).map(({ id }) => id)).toEqual(["3"]);
    });

    test("are leftovers when they expire, are given up, or their renewal has ended", async () => {
      const { store } = bench();
      await store.renewals.insert(renewal({ id: "over", certificate: "over" }));
      await store.renewals.update("over", 0, { state: "failed", finishedAt: NOW });
      await store.renewals.insert(renewal({ id: "on", certificate: "on" }));
      const rows = [
        record({ id: "1-expired", expiresAt: NOW }),
        record({ id: "2-given-up", state: "removing" }),
        record({ id: "3-over", renewalId: "over" }),
        record({ id: "4-in-use", renewalId: "on" }),
        record({ id: "5-rehearsal" }),
        record({ id: "6-later", state: "removing", nextAttemptAt: NOW + 1 }),
      ];
      for (const row of rows) await store.dns.records.insert(row);
      expect((await store.dns.records.leftovers(NOW, 9)).map(({ id }) => id)).toEqual([
        "1-expired",
        "2-given-up",
        "3-over",
      ]);
    });

    test("of a release that knew no clients keep their seals when it is upgraded, but for what was altered", async () => {
      const { store, another, backend, vault } = bench();
      for (const id of ["a", "b"]) await store.dns.records.insert(record({ id }));
      const { db } = await openDatabase(backend.options, vault);
      const columns = SEALED.dnsRecords.columns.filter((column) => column !== "client");
      for (const row of await db.selectFrom("dnsRecords").selectAll().execute()) {
        const seal = sealOfRow(vault, "dnsRecords", row, columns);
        await db.updateTable("dnsRecords").set({ seal }).where("id", "=", row.id).execute();
      }
      await backend.run("update dns_records set zone_id = 'victim' where id = 'b'");
      await db.schema.alterTable("dnsRecords").dropColumn("client").execute();
      await dnsClients(vault).up(db);
      await db.destroy();
      expect(await (await another()).dns.records.list(9)).toEqual([record({ id: "a" })]);
    });

    test.each([
      ["of another zone", "update dns_records set zone_id = 'victim'"],
      ["of another name", "update dns_records set name = 'www.example.org'"],
      ["with another provider's id", "update dns_records set provider_id = 'their-a-record'"],
      ["for another solver", "update dns_records set solver = 'other'"],
      ["for another client", "update dns_records set client = 'other'"],
    ])("that somebody else made %s are not obeyed, and the audit would name them", async (_, sql) => {
      const { store, backend } = bench();
      await store.dns.records.insert(record({ state: "removing" }));
      await backend.run(sql);
      expect(await store.dns.records.leftovers(NOW, 9)).toEqual([]);
      expect(await store.dns.records.list(9)).toEqual([]);
      // A change by renewd does not legitimate it.
      await store.dns.records.update("a", { attempts: 1 });
      expect(await store.dns.records.list(9)).toEqual([]);
    });
  });

  describe("locks of TXT names", () => {
    test("have one holder over all processes, and end by themselves", async () => {
      const { store, another } = bench();
      const other = await another();
      expect(await store.dns.locks.take("txt", "one", NOW, NOW + 100)).toBe(true);
      expect(await other.dns.locks.take("txt", "two", NOW + 1, NOW + 101)).toBe(false);
      expect(await store.dns.locks.take("txt", "one", NOW + 1, NOW + 200)).toBe(true);
      await other.dns.locks.release("txt", "two");
      expect(await other.dns.locks.take("txt", "two", NOW + 150, NOW + 250)).toBe(false);
      expect(await other.dns.locks.take("txt", "two", NOW + 200, NOW + 300)).toBe(true);
      await other.dns.locks.release("txt", "two");
      expect(await store.dns.locks.take("txt", "one", NOW + 201, NOW + 300)).toBe(true);
    });

    test("that a clock far ahead took do not stay for years", async () => {
      const { locks } = bench().store.dns;
      expect(await locks.take("txt", "one", NOW, NOW + 10 * 365 * 86_400_000)).toBe(true);
      expect(await locks.take("txt", "two", NOW, NOW + 100)).toBe(true);
    });
  });

  describe("the rate of a DNS credential", () => {
    test("lets a burst through, then one at a time, over all processes", async () => {
      const { store, another } = bench();
      const other = await another();
      const rate = { everyMs: 100, burst: 3 };
      const turn = (of: typeof store): Promise<number> =>
        of.dns.rates.turn("c", rate, { now: NOW, latest: NOW + 1_000 });
      const turns = [await turn(store), await turn(other), await turn(store), await turn(other), await turn(store)];
      expect(turns.map((at) => at - NOW)).toEqual([0, 0, 0, 100, 200]);
    });

    test("takes no turn that is too late, and keeps a silence that the provider asked for", async () => {
      const { rates } = bench().store.dns;
      const rate = { everyMs: 100, burst: 1 };
      await rates.silence("c", NOW + 500);
      for (let time = 0; time < 3; time++)
        expect(await rates.turn("c", rate, { now: NOW, latest: NOW + 400 })).toBe(NOW + 500);
      expect(await rates.turn("c", rate, { now: NOW, latest: NOW + 500 })).toBe(NOW + 500);
      expect(await rates.turn("c", rate, { now: NOW, latest: NOW + 900 })).toBe(NOW + 600);
    });
  });
}

export function record(change: Partial<DnsRecord> = {}): DnsRecord {
  return {
    ...{ id: "a", solver: "dns", identifier: "example.org", name: "_acme-challenge.example.org", value: "value" },
    ...{ zoneId: "z", zoneName: "example.org", providerId: null, certificate: "www", renewalId: null, client: null },
    ...{ state: "publishing", createdAt: NOW, publishedAt: null, expiresAt: NOW + 1_000, attempts: 0 },
    ...{ nextAttemptAt: null, errorCode: null, errorMessage: null },
    ...change,
  };
}
