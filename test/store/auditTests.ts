import { describe, expect, test } from "vitest";
import type { NewEvent } from "../../src/domain/event.ts";
import { type AuditOptions, auditStore, type HistoryAudit, openVault } from "../../src/store/index.ts";
import type { StoreBench } from "../conformance/store.ts";
import { NOW } from "../support/model/facts.ts";

const SIGNAL = new AbortController().signal;
const EVENTS = 5;

function event(n: number): NewEvent {
  return {
    at: NOW + n + 0.5,
    type: "issue.failed",
    certificate: "www",
    renewalId: "r",
    target: n === 2 ? "lb" : null,
    detail: { n, said: "é\0\ud800" },
  };
}

/** What only somebody who is not renewd does. The guards go first: they stop a slip, not an intruder. */
export function tamper(dialect: string, sql: string): string {
  const guards =
    dialect === "SQLite" ? ["events_no_update", "events_no_delete"] : ["events_append_only", "events_no_delete"];
  const on = dialect === "SQLite" ? "" : " on events";
  return [...guards.map((guard) => `drop trigger if exists ${guard}${on}`), sql].join("; ");
}

export function auditTests(bench: () => StoreBench, dialect: string): void {
  const audit = async (noted: AuditOptions["noted"] = []): Promise<HistoryAudit> =>
    auditStore(bench().backend.options, bench().vault, { noted, now: NOW }, SIGNAL);
  const fill = async (): Promise<void> => {
    const { store, another } = bench();
    await store.events.append(event(1));
    await store.transaction(async (tx) => {
      for (let n = 2; n < EVENTS; n += 1) await tx.events.append(event(n));
    });
    await (await another("other/2")).events.append(event(EVENTS));
  };
  const sound = { prunedTo: 0, headProblem: null, lostHeads: [], faults: [], rows: [], accepted: [] };
  const head = expect.stringMatching(/^5:[\w-]{43}$/);
  const whole = { events: EVENTS, unsealed: 0, firstSealed: 1, last: EVENTS, head, ...sound };

  describe("the audit of history", () => {
    test("passes what was written by several processes; where there is nothing, nothing is proved", async () => {
      const nothing = { events: 0, firstSealed: null, last: null, head: null, headProblem: "absent" };
      expect(await audit()).toEqual({ ...whole, ...nothing });
      await fill();
      expect(await audit()).toEqual(whole);
    });

    test("a transaction that was rolled back leaves no gap", async () => {
      const { store } = bench();
      const failing = store.transaction(async (tx) => {
        await tx.events.append(event(1));
        await tx.events.list({ limit: 1 });
        throw new Error("stop");
      });
      await expect(failing).rejects.toThrow("stop");
      await fill();
      expect(await audit()).toEqual(whole);
    });

    test("numbers follow each other whoever wrote last, and after what was rolled back", async () => {
      const { store, another } = bench();
      const other = await another("other/2");
      const rolledBack = () =>
        store.transaction(async (tx) => {
          await tx.events.append(event(1));
          await tx.events.list({ limit: 1 });
          throw new Error("stop");
        });
      for (const writer of [store, store, other, store]) {
        await writer.events.append(event(1));
        await expect(rolledBack()).rejects.toThrow("stop");
      }
      await Promise.all([store, store, other, store, other].map((writer) => writer.events.append(event(2))));
      expect(await audit()).toMatchObject({ ...sound, events: 9, last: 9 });
    });

    test("an event that somebody put behind the last one stops nobody, and a head that was set back is seen", async () => {
      const { store, backend } = bench();
      await fill();
      await store.events.append(event(6));
      const columns = "at, type, certificate, renewal_id, target, worker, detail, seal";
      const copy = `insert into events (seq, ${columns}) select 7, ${columns} from events where seq = 1`;
      await backend.run(copy);
      await store.events.append(event(8));
      expect(await audit()).toMatchObject({ last: 8, faults: [{ kind: "altered", from: 7, to: 7 }] });
      await backend.run("update history_head set last = 3");
      await store.events.append(event(9));
      expect(await audit()).toMatchObject({ headProblem: "altered" });
      expect((await store.events.list({ limit: 1 })).map(({ seq }) => seq)).toEqual([9]);
    });

    test("more events than one page are all checked", async () => {
      const { store, backend } = bench();
      await store.transaction(async (tx) => {
        for (let n = 1; n <= 2_100; n += 1) await tx.events.append(event(n));
      });
      await backend.run(tamper(dialect, "update events set at = at + 1 where seq = 2050"));
      expect(await audit()).toMatchObject({
        events: 2_100,
        last: 2_100,
        faults: [{ kind: "altered", from: 2_050, to: 2_050 }],
      });
    });

    const altered = (from: number, to = from) => ({ faults: [{ kind: "altered", from, to }] });
    test.each<[string, string, object]>([
      ["another time", "update events set at = at + 1 where seq = 3", altered(3)],
      ["another kind", "update events set type = 'issue.started' where seq = 1", altered(1)],
      ["another certificate", "update events set certificate = 'api' where seq = 5", altered(5)],
      ["no certificate", "update events set certificate = null where seq = 5", altered(5)],
      ["another target", "update events set target = 'edge' where seq = 2", altered(2)],
      ["another writer", "update events set worker = 'somebody' where seq = 4", altered(4)],
      ["another text", `update events set detail = '{"n":4}' where seq = 4`, altered(4)],
      ["no seal", "update events set seal = null where seq in (2, 3)", altered(2, 3)],
      [
        "the seal of another",
        "update events set seal = (select seal from events where seq = 1) where seq = 2",
        altered(2),
      ],
      [
        "an event that is missing",
        "delete from events where seq in (2, 3)",
        { events: 3, faults: [{ kind: "missing", from: 2, to: 3 }] },
      ],
      ["no beginning", "delete from events where seq = 1", { faults: [{ kind: "missing", from: 1, to: 1 }] }],
      ["no end", "delete from events where seq >= 4", { events: 3, faults: [{ kind: "missing", from: 4, to: 5 }] }],
      ["nothing left", "delete from events", { events: 0, faults: [{ kind: "missing", from: 1, to: 5 }] }],
      [
        "an end that is cut off on the record too",
        "delete from events where seq = 5; update history_head set last = 4",
        { headProblem: "altered", faults: [] },
      ],
      [
        "a beginning declared older than sealing",
        "update events set seal = null where seq = 1; update history_head set first_sealed = 2",
        { headProblem: "altered" },
      ],
      [
        "no seals at all",
        "update events set seal = null; delete from history_head",
        { headProblem: "absent", unsealed: EVENTS },
      ],
      [
        "an event of somebody else's",
        `insert into events (seq, at, type, worker, detail, seal)
         select 9, at, type, worker, detail, seal from events where seq = 1`,
        { faults: [{ kind: "foreign", from: 9, to: 9 }] },
      ],
      [
        "events in each other's place",
        "update events set seq = -seq; update events set seq = case seq when -2 then 3 when -3 then 2 else -seq end",
        altered(2, 3),
      ],
    ])("finds %s", async (_, sql, found) => {
      await fill();
      await bench().backend.run(tamper(dialect, sql));
      expect(await audit()).toMatchObject(found);
    });

    test("another master key makes no seal that passes", async () => {
      await fill();
      const { backend, masterKeyFile } = bench();
      const foreign = await openVault({ file: `${masterKeyFile}.foreign` });
      await backend.run(tamper(dialect, `update events set seal = '${foreign.authenticate("event")}' where seq = 2`));
      expect(await audit()).toMatchObject(altered(2));
    });

    test("events older than sealing are counted apart and stay so", async () => {
      await fill();
      const { store, backend } = bench();
      await backend.run(
        tamper(dialect, "update events set seal = null; delete from events where seq = 2; delete from history_head"),
      );
      expect(await audit()).toMatchObject({ events: 4, unsealed: 4, headProblem: "absent", faults: [] });
      await store.events.append(event(6));
      expect(await audit()).toMatchObject({ events: 5, unsealed: 4, firstSealed: 6, last: 6, ...sound });
    });
  });
}
