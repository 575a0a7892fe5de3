import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { type AuditOptions, acceptStore, auditStore, type HistoryAudit } from "../../src/store/index.ts";
import type { StoreBench } from "../conformance/store.ts";
import { DAY_MS, NOW, renewal, version } from "../support/model/facts.ts";
import { tamper } from "./auditTests.ts";

const SIGNAL = new AbortController().signal;
const KEY = new Secret("the key");
const LEAF = version().leaf;
const LIMIT = 100;
const FORGED = `insert into events (seq, at, type, worker, detail) values (0, ${NOW + 3 * DAY_MS}, 'issue.started', 'w', '{}')`;

export function retentionTests(bench: () => StoreBench, dialect: string): void {
  const audit = async (noted: AuditOptions["noted"] = []): Promise<HistoryAudit> =>
    auditStore(bench().backend.options, bench().vault, { noted, now: NOW }, SIGNAL);
  const of = { certificate: "www", renewalId: null, target: null, type: "issue.started", detail: {} } as const;
  const append = async (...days: number[]): Promise<void> => {
    for (const day of days) await bench().store.events.append({ ...of, at: NOW + day * DAY_MS });
  };
  const seqs = async (): Promise<number[]> => (await bench().store.events.list({ limit: 99 })).map(({ seq }) => seq);

  describe("retention of events", () => {
    test("removes the oldest in batches, keeps the last, and the audit tells it from a deletion", async () => {
      await append(0, 1, 2, 3, 4);
      const { retention, events } = bench().store;
      const noted = await events.mark(2);
      expect(await retention.pruneEvents(NOW + 3 * DAY_MS, NOW, 2)).toBe(2);
      expect(await seqs()).toEqual([3, 4, 5]);
      expect(await audit(noted === null ? [] : [noted])).toMatchObject({
        ...{ events: 3, prunedTo: 2, last: 5, headProblem: null, faults: [], lostHeads: [] },
      });
      expect(await retention.pruneEvents(NOW + 99 * DAY_MS, NOW, LIMIT)).toBe(2);
      expect(await seqs()).toEqual([5]);
      await append(5);
      expect(await audit()).toMatchObject({ events: 2, prunedTo: 4, last: 6, headProblem: null, faults: [] });
      expect(await retention.pruneEvents(NOW, NOW, LIMIT)).toBe(0);
    });

    test("what was deleted by somebody else stays found", async () => {
      await append(0, 1, 2, 3, 4);
      await bench().backend.run(tamper(dialect, "delete from events where seq = 3"));
      expect(await bench().store.retention.pruneEvents(NOW + 99 * DAY_MS, NOW, LIMIT)).toBe(2);
      expect(await bench().store.retention.pruneEvents(NOW + 99 * DAY_MS, NOW, LIMIT)).toBe(0);
      expect(await audit()).toMatchObject({ prunedTo: 2, faults: [{ kind: "missing", from: 3, to: 3 }] });
    });

    test("an event of the future is as old as what follows it", async () => {
      await append(99, 0, 99, 1, 2, 3);
      const now = NOW + 3 * DAY_MS;
      expect(await bench().store.retention.pruneEvents(NOW + 2 * DAY_MS, now, LIMIT)).toBe(4);
      expect(await seqs()).toEqual([5, 6]);
      await append(99, 4);
      expect(await bench().store.retention.pruneEvents(NOW + 2 * DAY_MS, now, LIMIT)).toBe(0);
      expect(await bench().store.retention.stuckAt(NOW + 2 * DAY_MS)).toBeNull();
    });

    test.each([
      ["made an event young", 1, `update events set at = ${NOW + 3 * DAY_MS} where seq = 1`],
      ["put an event of the future", 1, `update events set at = ${NOW + 9_999 * DAY_MS} where seq = 1`],
      ["put a young one before the first", 0, FORGED],
    ])("somebody who %s at the front stops it, which is told", async (_, seq, sql) => {
      await append(0, 1, 2, 3);
      await bench().backend.run(tamper(dialect, sql));
      const before = NOW + 2 * DAY_MS;
      expect(await bench().store.retention.pruneEvents(before, NOW + 3 * DAY_MS, LIMIT)).toBe(0);
      expect(await bench().store.retention.stuckAt(before)).toBe(seq);
      expect((await audit()).faults).toMatchObject([{ from: seq, to: seq }]);
      const acceptance = { by: null, reason: "known", worker: "w", clock: { now: () => NOW + 3 * DAY_MS } };
      const { options } = bench().backend;
      await acceptStore(options, bench().vault, { audit: { noted: [], now: NOW }, acceptance }, SIGNAL);
      expect(await bench().store.retention.stuckAt(before)).toBeNull();
      await bench().store.retention.pruneEvents(NOW + 99 * DAY_MS, NOW + 99 * DAY_MS, LIMIT);
      expect(await seqs()).toEqual([5]);
    });

    test.each([
      ["declared pruned", "update history_head set pruned_to = 4; delete from events where seq <= 4"],
      ["pruned further", "update history_head set pruned_to = 3; delete from events where seq <= 3"],
    ])("a history that somebody else %s is not whole", async (_, sql) => {
      await append(0, 1, 2, 3, 4);
      await bench().store.retention.pruneEvents(NOW + DAY_MS, NOW, LIMIT);
      await bench().backend.run(sql);
      expect(await audit()).toMatchObject({ headProblem: "altered" });
      // Nor after renewd writes again.
      await append(5);
      expect(await audit()).toMatchObject({ headProblem: "altered" });
    });

    test("the database refuses to delete events that retention did not", async () => {
      await append(0, 1, 2);
      await bench().store.retention.pruneEvents(NOW + DAY_MS, NOW, LIMIT);
      await expect(bench().backend.run("delete from events where seq = 2")).rejects.toThrow("append-only");
    });
  });

  describe("retention of keys and rows", () => {
    const add = (generation: number, expiresInDays: number, patch = {}): Promise<void> =>
      bench().store.versions.insert(
        version({
          ...{ generation, createdAt: NOW - 500 * DAY_MS },
          leaf: { ...LEAF, notAfter: NOW + expiresInDays * DAY_MS },
          ...patch,
        }),
        KEY,
      );
    const erased = async (generation: number): Promise<boolean> =>
      bench()
        .store.versions.privateKey("www", generation)
        .then(
          () => false,
          (thrown: Error) => thrown.message.includes("was erased after it expired"),
        );

    test("erases the keys of superseded pairs that expired, and no key that may be needed", async () => {
      await add(1, -10);
      await add(2, 10);
      await add(3, -10);
      await add(4, -10, { revokedAt: NOW });
      await add(5, -10);
      await bench().store.deployments.want("www", ["lb"], 3);
      expect(await bench().store.retention.eraseKeys(NOW, LIMIT)).toBe(1);
      expect(await Promise.all([1, 2, 3, 4, 5].map(erased))).toEqual([true, false, false, false, false]);
      expect(await bench().store.retention.eraseKeys(NOW, LIMIT)).toBe(0);
      expect(await bench().backend.dump()).not.toContain("the key");
      expect((await bench().store.versions.get("www", 1))?.leaf.notAfter).toBe(NOW - 10 * DAY_MS);
    });

    test("renewals and pairs go once no event is about them, and the audit misses none", async () => {
      const { store } = bench();
      const at = NOW - 500 * DAY_MS;
      for (const id of ["old", "active"])
        await store.renewals.insert(renewal({ id, certificate: id, createdAt: at, nextActionAt: null }));
      await store.events.append({ ...of, at, type: "renewal.planned", renewalId: "old" });
      await store.renewals.update("old", 0, { state: "succeeded", finishedAt: at });
      await add(1, -300);
      await store.events.append({ ...of, at, type: "version.issued", renewalId: "old", detail: { generation: 1 } });
      await add(2, 50);
      await store.retention.eraseKeys(NOW, LIMIT);
      await append(0);
      const before = NOW - 400 * DAY_MS;
      expect(await store.retention.pruneRenewals(before, LIMIT)).toBe(0);
      expect(await store.retention.pruneVersions(before, LIMIT)).toBe(0);
      expect(await store.retention.pruneEvents(before, NOW, LIMIT)).toBe(2);
      expect(await store.retention.pruneRenewals(before, LIMIT)).toBe(1);
      expect(await store.retention.pruneVersions(before, LIMIT)).toBe(1);
      expect((await store.renewals.list({ limit: 9 })).map(({ id }) => id)).toEqual(["active"]);
      expect((await store.versions.list("www")).map(({ generation }) => generation)).toEqual([2]);
      expect(await audit()).toMatchObject({ headProblem: null, faults: [], rows: [] });
    });

    test("rows that somebody altered stay, and keep no other from going", async () => {
      const { store, backend } = bench();
      const at = NOW - 500 * DAY_MS;
      for (let n = 1; n <= 5; n += 1) {
        await store.renewals.insert(renewal({ id: `r${n}`, certificate: `c${n}`, createdAt: at + n }));
        await store.renewals.update(`r${n}`, 0, { state: "failed", finishedAt: at, nextActionAt: null });
        await add(n, -300, { createdAt: at + n });
      }
      await add(6, 50);
      await store.retention.eraseKeys(NOW, LIMIT);
      await append(0);
      await backend.run("update renewals set error_code = 'x' where id in ('r1', 'r2', 'r4')");
      await backend.run("update versions set issuer = 'x' where generation in (1, 2, 4)");
      for (const [prune, count] of [
        [1, 1],
        [2, 1],
        [2, 0],
      ] as const) {
        expect(await store.retention.pruneRenewals(NOW - 400 * DAY_MS, prune)).toBe(count);
        expect(await store.retention.pruneVersions(NOW - 400 * DAY_MS, prune)).toBe(count);
      }
      expect((await store.renewals.list({ limit: 9 })).map(({ id }) => id).sort()).toEqual(["r1", "r2", "r4"]);
    });
  });
}
