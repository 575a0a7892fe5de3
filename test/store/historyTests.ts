import { describe, expect, test } from "vitest";
import type { NewEvent } from "../../src/domain/event.ts";
import type { Store } from "../../src/domain/store.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, NOW, renewal } from "../support/model/facts.ts";

function event(patch: Partial<NewEvent> = {}): NewEvent {
  return { at: NOW, type: "issue.started", certificate: "www", renewalId: "r", target: null, detail: {}, ...patch };
}

async function appendNumbered(store: Store, count: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) {
    await store.events.append(
      event({ at: NOW + n, certificate: n % 2 === 0 ? "api" : "www", renewalId: `r${n}`, detail: { n } }),
    );
  }
}

export function historyTests(bench: () => StoreBench): void {
  describe("events", () => {
    test("carry their writer and come back as they were written", async () => {
      const { another } = bench();
      const store = await another("web-1/4242");
      const written = event({ target: "lb", detail: { a: 1, b: "two", c: null, d: true, e: ["x", "y"] } });
      await store.events.append(written);
      expect(await store.events.list({ limit: 9 })).toEqual([{ ...written, seq: 1, worker: "web-1/4242" }]);
    });

    test("a limit keeps the newest, after a number it keeps the oldest; both are oldest first", async () => {
      const { store } = bench();
      await appendNumbered(store, 6);
      const numbers = async (filter: Parameters<Store["events"]["list"]>[0]) =>
        (await store.events.list(filter)).map(({ seq }) => seq);
      expect(await numbers({ limit: 2 })).toEqual([5, 6]);
      expect(await numbers({ limit: 2, afterSeq: 0 })).toEqual([1, 2]);
      expect(await numbers({ limit: 9, afterSeq: 4 })).toEqual([5, 6]);
      expect(await numbers({ limit: 9, afterSeq: 6 })).toEqual([]);
      expect(await numbers({ limit: 2, certificate: "www" })).toEqual([3, 5]);
      expect(await numbers({ limit: 9, renewalId: "r4" })).toEqual([4]);
      expect(await numbers({ limit: 9, since: NOW + 5 })).toEqual([5, 6]);
      expect(await numbers({ limit: 9, types: ["deploy.failed", "deploy.started"] })).toEqual([]);
      expect(await numbers({ limit: 9, types: ["issue.started"], afterSeq: 5 })).toEqual([6]);
      expect(await numbers({ limit: 9, types: [] })).toEqual([]);
    });

    test.each(["update events set detail = '{}'", "update events set at = 0 where seq = 1", "delete from events"])(
      "history refuses: %s",
      async (sql) => {
        const { store, backend } = bench();
        await appendNumbered(store, 1);
        await expect(backend.run(sql)).rejects.toThrow("append-only");
        expect(await store.events.list({ limit: 9 })).toMatchObject([{ seq: 1, at: NOW + 1, detail: { n: 1 } }]);
      },
    );

    test("a transaction may write ten thousand events", async () => {
      const { store } = bench();
      await store.transaction(async (tx) => {
        for (let n = 0; n < 10_000; n += 1) await tx.events.append(event({ detail: { n } }));
      });
      expect(await store.events.list({ limit: 1 })).toMatchObject([{ seq: 10_000, detail: { n: 9_999 } }]);
    });

    test("a reader that goes on after the last number it saw misses none of many writers", async () => {
      const { store, another } = bench();
      const writers = [await another(), await another(), await another()];
      let writing = true;
      const written = Promise.all(
        writers.map(async (writer, index) => {
          for (let n = 0; n < 20; n += 1) {
            await writer.transaction(async (tx) => {
              await tx.events.append(event({ renewalId: `${index}-${n}` }));
              await tx.certificates.sync([certificate({ name: `c${index}`, digest: `${n}` })], NOW);
            });
          }
        }),
      ).finally(() => {
        writing = false;
      });
      const seen: string[] = [];
      let afterSeq = 0;
      for (let last = false; !last; ) {
        last = !writing;
        for (const { seq, renewalId } of await store.events.list({ afterSeq, limit: 7 })) {
          expect(seq).toBeGreaterThan(afterSeq);
          afterSeq = seq;
          seen.push(renewalId ?? "");
          last = false;
        }
      }
      await written;
      expect(seen.sort()).toEqual(
        [0, 1, 2].flatMap((index) => Array.from({ length: 20 }, (_, n) => `${index}-${n}`)).sort(),
      );
    });
  });

  describe("a transaction", () => {
    test("commits state and history together", async () => {
      const { store, another } = bench();
      const answer = await store.transaction(async (tx) => {
        await tx.renewals.insert(renewal({ id: "r" }));
        await tx.events.append(event());
        expect(await tx.events.list({ limit: 9 })).toHaveLength(1);
        await tx.events.append(event());
        return "done";
      });
      const other = await another();
      expect([answer, await other.renewals.get("r"), (await other.events.list({ limit: 9 })).length]).toEqual([
        "done",
        renewal({ id: "r" }),
        2,
      ]);
    });

    test("leaves nothing when its work throws", async () => {
      const { store } = bench();
      const failing = store.transaction(async (tx) => {
        await tx.renewals.insert(renewal({ id: "r" }));
        await tx.events.append(event());
        throw new Error("stop");
      });
      await expect(failing).rejects.toThrow("stop");
      expect([await store.renewals.get("r"), await store.events.list({ limit: 9 })]).toEqual([null, []]);
    });

    test("changes no state when its event cannot be written", async () => {
      const { store, backend } = bench();
      await store.renewals.insert(renewal({ id: "r" }));
      await backend.run(backend.failInserts("events"));
      const failing = store.transaction(async (tx) => {
        await tx.events.append(event());
        expect(await tx.renewals.update("r", 0, { state: "issuing" })).toBe(true);
      });
      await expect(failing).rejects.toMatchObject({
        name: "RenewalError",
        message: expect.stringContaining("planted failure"),
      });
      expect((await store.renewals.get("r"))?.state).toBe("planned");
    });

    test("inside a transaction is the same transaction", async () => {
      const { store } = bench();
      const failing = store.transaction(async (tx) => {
        await tx.transaction(async (inner) => {
          await inner.renewals.insert(renewal({ id: "r" }));
          await inner.events.append(event());
        });
        expect(await tx.renewals.get("r")).not.toBeNull();
        throw new Error("stop");
      });
      await expect(failing).rejects.toThrow("stop");
      expect([await store.renewals.get("r"), await store.events.list({ limit: 9 })]).toEqual([null, []]);
    });

    test("refuses the outer store inside it instead of blocking itself", async () => {
      const { store } = bench();
      const misuse = "used inside its own transaction";
      await expect(store.transaction(() => store.certificates.list())).rejects.toThrow(misuse);
      await expect(store.transaction(() => store.transaction(async () => {}))).rejects.toThrow(misuse);
      await expect(store.transaction((tx) => tx.close())).rejects.toThrow("cannot close");
      expect(await store.certificates.list()).toEqual([]);
    });

    test("what it left running may use the store once it has ended", async () => {
      const { store } = bench();
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      let later: Promise<unknown> = Promise.resolve();
      await store.transaction(async () => {
        later = ended.then(() => store.certificates.list());
      });
      end();
      expect(await later).toEqual([]);
    });

    test("those of two connections in one process wait for each other without stopping it", async () => {
      const { store, another } = bench();
      const other = await another();
      await store.renewals.insert(renewal({ id: "r" }));
      const raise = (on: Store) =>
        on.transaction(async (tx) => {
          const attempts = (await tx.renewals.lock("r"))?.attempts ?? Number.NaN;
          await tx.renewals.update("r", 0, { attempts: attempts + 1 });
        });
      await Promise.all([store, other, store, other, store, other].map(raise));
      expect((await store.renewals.get("r"))?.attempts).toBe(6);
    });
  });
}
