import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { auditStore } from "../../src/store/index.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, NOW, renewal, version } from "../support/model/facts.ts";
import { tamper } from "./auditTests.ts";

/** A row of before, put back with the seal that it had then, and events that somebody else wrote, instruct nobody. */
export function putBackTests(bench: () => StoreBench, dialect: string): void {
  const of = { at: NOW, certificate: "www", renewalId: null, target: null } as const;
  const keep = (table: string): Promise<void> => bench().backend.run(`create table kept as select * from ${table}`);
  const putBack = (table: string): Promise<void> =>
    bench().backend.run(`delete from ${table}; insert into ${table} select * from kept; drop table kept`);
  const forged = (seq: number, type: string, seal: string): string =>
    `(${seq}, ${NOW}, '${type}', 'www', 'w', '{}', ${seal})`;
  const insert = (rows: readonly string[]): Promise<void> =>
    bench().backend.run(
      `insert into events (seq, at, type, certificate, worker, detail, seal) values ${rows.join(", ")}`,
    );
  /** Without the master key nobody can make a seal. */
  const forge = (seq: number, type: string): Promise<void> => insert([forged(seq, type, "'x'")]);

  describe("what was put back", () => {
    test("a renewal that has ended is not begun again", async () => {
      const { store } = bench();
      await store.certificates.sync([certificate()], NOW);
      await store.renewals.insert(renewal({ id: "r" }));
      await keep("renewals");
      const claimed = await store.renewals.claim("r", NOW, 1_000);
      expect(claimed).toMatchObject({ id: "r", fence: 1 });
      await store.transaction(async (tx) => {
        await tx.renewals.update("r", 1, { state: "succeeded", finishedAt: NOW, nextActionAt: null });
        await tx.events.append({ ...of, type: "renewal.succeeded", renewalId: "r", detail: {} });
      });
      await putBack("renewals");
      expect(await store.renewals.get("r")).toMatchObject({ state: "planned" });
      expect(await store.renewals.claim("r", NOW, 1_000)).toBeNull();
      expect(await store.renewals.get("r")).toMatchObject({ state: "cancelled", errorCode: "store.altered" });
    });

    test("a replacement that was cancelled replaces nothing", async () => {
      const { store } = bench();
      await store.certificates.sync([certificate()], NOW);
      await store.versions.insert(version(), new Secret("key"));
      const asked = { id: "p", selection: "all", issuer: null, deadline: NOW + 1, createdAt: NOW, endedAt: null };
      await store.replacements.create(asked, [{ replacement: "p", certificate: "www", generation: 1, wave: 0 }]);
      await keep("replacements");
      await store.transaction(async (tx) => {
        await tx.replacements.end("p", NOW);
        await tx.events.append({
          ...of,
          certificate: null,
          type: "replacement.cancelled",
          detail: { replacement: "p" },
        });
      });
      await putBack("replacements");
      expect(await store.replacements.of("www")).toBeNull();
      expect(await store.replacements.memberships()).toEqual([]);
    });
  });

  describe("an event that somebody else wrote", () => {
    test("is shown, and instructs nobody", async () => {
      const { store } = bench();
      await store.events.append({ ...of, type: "certificate.paused", detail: {} });
      const many = Array.from({ length: 248 }, (_, n) => forged(n + 2, "certificate.resumed", n % 2 ? "'x'" : "null"));
      await insert(many);
      const types = ["certificate.paused", "certificate.resumed"] as const;
      const asked = { certificate: "www", types, limit: 1 };
      expect(await store.events.list(asked)).toMatchObject([{ seq: 249, type: "certificate.resumed" }]);
      expect(await store.events.list({ ...asked, sealed: true })).toMatchObject([
        { seq: 1, type: "certificate.paused" },
      ]);
      await store.events.append({ ...of, type: "certificate.paused", detail: {} });
      const after = await store.events.list({ ...asked, afterSeq: 1, limit: 9, sealed: true });
      expect(after.map(({ seq }) => seq)).toEqual([250]);
    });

    test.each([
      ["with a seal that is none", 2, "'x'"],
      ["before the first, as if it were of a release that sealed nothing", 0, "null"],
    ])("explains no event that is gone: %s", async (_, seq, seal) => {
      const { store, backend, vault } = bench();
      await store.events.append({ ...of, type: "certificate.paused", detail: {} });
      await insert([forged(seq, "store.restored", seal)]);
      const noted = [{ seq: 9, at: NOW, seal: "x".repeat(43) }];
      const signal = new AbortController().signal;
      const { lostHeads, faults } = await auditStore(backend.options, vault, { noted, now: NOW }, signal);
      expect(lostHeads).toHaveLength(1);
      expect(faults).toEqual([{ kind: "foreign", from: seq, to: seq }]);
    });

    test("is not believed to be older than sealing if it is younger than the first seal", async () => {
      const { store, backend } = bench();
      // As a release that sealed nothing left it.
      await insert([forged(1, "certificate.resumed", "null"), forged(2, "certificate.resumed", "null")]);
      await store.events.append({ ...of, type: "certificate.paused", detail: {} });
      const types = ["certificate.resumed"] as const;
      const believed = async () => (await store.events.list({ types, limit: 9, sealed: true })).map(({ seq }) => seq);
      expect(await believed()).toEqual([1, 2]);
      await backend.run(tamper(dialect, `update events set at = ${NOW + 1} where seq = 2`));
      expect(await believed()).toEqual([1]);
    });

    test("ends no renewal and no replacement", async () => {
      const { store, backend } = bench();
      await store.certificates.sync([certificate()], NOW);
      await store.renewals.insert(renewal({ id: "r" }));
      await forge(1, "renewal.cancelled");
      for (const seq of [0, 2])
        await backend.run(
          `insert into events (seq, at, type, renewal_id, worker, detail) values (${seq}, ${NOW}, 'renewal.failed', 'r', 'w', '{}')`,
        );
      expect(await store.renewals.claim("r", NOW, 1_000)).toMatchObject({ id: "r" });
    });
  });
}
