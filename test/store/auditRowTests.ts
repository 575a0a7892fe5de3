import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { withdrawAcknowledgement } from "../../src/renewal/operator/acknowledge.ts";
import { pause, resume } from "../../src/renewal/operator/pause.ts";
import { openDatabase } from "../../src/store/database.ts";
import { type AuditOptions, acceptStore, auditStore, type HistoryAudit } from "../../src/store/index.ts";
import { SEALED, withSeal } from "../../src/store/rowSeal.ts";
import type { StoreBench } from "../conformance/store.ts";
import { appliedConfiguration, certificate, heartbeat, NOW } from "../support/model/facts.ts";
import { tamper } from "./auditTests.ts";
import { record } from "./dnsTests.ts";
import { fillStore } from "./filledStore.ts";
import { STEADY_MEMBERS, STEADY_PART } from "./outsideCalls.ts";
import { fillWatched } from "./watchedTests.ts";

const SIGNAL = new AbortController().signal;

type Row = Record<string, string | number | null>;

/** Of the column's own type, as PostgreSQL wants it; "7" is a number as well. */
function forged(before: Row[string] | undefined): string | number {
  return typeof before === "number" ? before + 1 : "7";
}

/** What stays hidden in a history that is whole in itself. */
export function auditRowTests(bench: () => StoreBench, dialect: string): void {
  const audit = async (noted: AuditOptions["noted"] = []): Promise<HistoryAudit> =>
    auditStore(bench().backend.options, bench().vault, { noted, now: NOW }, SIGNAL);

  const of = { at: NOW, certificate: "www", target: null };
  const fill = (): Promise<void> => fillStore(bench().store);

  describe("the audit of rows", () => {
    test("passes what renewd wrote", async () => {
      await fill();
      expect(await audit()).toMatchObject({ headProblem: null, lostHeads: [], faults: [], rows: [] });
    });

    test.each<[string, string, string, string]>([
      [
        "a leaf that expires in 2100",
        "update versions set leaf = replace(leaf, '1775', '4102')",
        "versions www 1",
        "altered",
      ],
      ["a proof that nobody made", "update versions set verified_at = 5", "versions www 1", "altered"],
      ["a version that is gone", "delete from versions", "versions www 1", "missing"],
      [
        "another state in the history people see",
        "update renewals set state = 'failed' where id = 'r1'",
        "renewals r1",
        "altered",
      ],
      ["another reason", "update renewals set reason = 'revoked' where id = 'r2'", "renewals r2", "altered"],
      ["another end", "update renewals set finished_at = 5 where id = 'r1'", "renewals r1", "altered"],
      ["a renewal that is gone", "delete from renewals where id = 'r1'", "renewals r1", "missing"],
      ["an answer to a challenge", "update challenges set key_authorization = 'other'", "challenges token", "altered"],
      [
        "an account's URL",
        "update accounts set url = 'https://other'",
        "accounts ca https://ca.example/dir",
        "altered",
      ],
      ["a pause", "update certificates set paused_at = 5", "certificates www", "altered"],
      ["a replacement that ended", "update replacements set ended_at = 5", "replacements p", "altered"],
      ["a member", "update replacement_members set wave = 7", "replacementMembers p www", "altered"],
      ["a certificate that is gone", "delete from certificates", "certificates www", "missing"],
      ["a member that is gone", "delete from replacement_members", "replacementMembers p www", "missing"],
      ["an exercise that is gone", "delete from exercises", "exercises x", "missing"],
      ["a drill that is gone", "delete from drills", "drills p", "missing"],
      ["an account that is gone", "delete from accounts", "accounts ca https://ca.example/dir", "missing"],
      ["a deployment that is gone", "delete from deployments", "deployments www lb", "missing"],
      ["a target that left", "delete from left_targets", "leftTargets www old", "missing"],
      ["an acknowledgement", "delete from acknowledgements", "acknowledgements www", "missing"],
      ["a deployment", "update deployments set deployed_generation = 99", "deployments www lb", "altered"],
      ["an endpoint", `update endpoint_statuses set round_ended_at = ${NOW + 9}`, "endpointStatuses www e", "altered"],
      ["what an endpoint served, gone", "delete from endpoint_statuses", "endpointStatuses www e", "missing"],
      ["a suggested window, gone", "delete from renewal_infos", "renewalInfos www", "missing"],
      ["how urgent a renewal is", "update renewals set priority = 9 where id = 'r2'", "renewals r2", "altered"],
      ["a key of its own making", "update versions set sealed_key = 'renewd:1:x:y:z'", "versions www 1", "altered"],
      [
        "an account's key",
        "update accounts set sealed_key = (select sealed_key from versions)",
        "accounts ca https://ca.example/dir",
        "altered",
      ],
      ["a certificate request", "update renewals set csr = 'MIIB' where id = 'r2'", "renewals r2", "altered"],
      ["an order", "update renewals set order_url = 'https://x' where id = 'r2'", "renewals r2", "altered"],
      ["evidence", "update observations set evidence = '{}'", "observations www e ::1", "altered"],
      ["a suggested window", `update renewal_infos set renew_at = ${NOW}`, "renewalInfos www", "altered"],
    ])("names exactly the row of %s", async (_, sql, row, kind) => {
      await fill();
      await bench().backend.run(sql);
      expect(await audit()).toMatchObject({ headProblem: null, faults: [], rows: [{ row, kind }] });
    });

    test("names the row of every column that a seal covers", async () => {
      await fill();
      const { store, backend, vault } = bench();
      await store.dns.records.insert(record());
      await store.health.beat([heartbeat()]);
      await store.cursors.claim("ops", NOW, { leaseMs: 1, retryMaxMs: 1 });
      await store.webAccess.add({ digest: "d", kind: "session", actor: "anna", createdAt: NOW, expiresAt: NOW + 9 });
      await store.alerts.lock();
      await store.applied.record(appliedConfiguration({ certificates: 1 }), [certificate()]);
      await store.steady.save(STEADY_PART, STEADY_MEMBERS);
      await fillWatched(store);
      const { db } = await openDatabase(backend.options, vault);
      const alert = { id: "a", rule: "renewal", cause: "c", openedAt: NOW, resolvedAt: null, body: "{}" };
      await db
        .insertInto("alerts")
        .values(withSeal(vault, "alerts", alert))
        .execute();
      const unfound: string[] = [];
      for (const [table, { key, columns }] of Object.entries(SEALED)) {
        const all = await sql<Row>`select * from ${sql.table(table)}`.execute(db);
        const [row] = all.rows;
        if (row === undefined) throw new Error(`no row in ${table}`);
        const isRow = sql.join(
          key.map((column) => sql`${sql.ref(column)} = ${row[column]}`),
          sql` and `,
        );
        const set = (column: string, value: unknown) =>
          sql`update ${sql.table(table)} set ${sql.ref(column)} = ${value} where ${isRow}`.execute(db);
        for (const column of columns) {
          await set(column, forged(row[column]));
          const { rows } = await audit();
          if (rows.length !== 1 || !rows[0]?.row.startsWith(`${table} `)) unfound.push(`${table} ${column}`);
          await set(column, row[column]);
        }
      }
      await db.destroy();
      expect(unfound).toEqual([]);
      expect((await audit()).rows).toEqual([]);
    });

    test("names a replacement that is gone with all its members", async () => {
      await fill();
      await bench().backend.run("delete from replacement_members; delete from replacements");
      expect((await audit()).rows).toEqual([
        { row: "replacements p", kind: "missing" },
        { row: "replacementMembers p www", kind: "missing" },
      ]);
    });

    test("names a certificate whose row was deleted, also after a reload has added it again", async () => {
      await fill();
      const { store, backend } = bench();
      const added = { ...of, type: "certificate.configured", renewalId: null, detail: { change: "added" } } as const;
      await store.events.append({ ...added, type: "certificate.removed", detail: {} });
      await store.events.append(added);
      expect((await audit()).rows, "it left the configuration and came back").toEqual([]);
      await backend.run("delete from certificates");
      await store.transaction(async (tx) => {
        await tx.certificates.sync([certificate()], NOW);
        await tx.events.append(added);
      });
      expect((await audit()).rows).toEqual([{ row: "certificates www", kind: "contradictory" }]);
    });

    test("names a deployment whose row was deleted, also after the target is wanted again", async () => {
      await fill();
      const { store, backend } = bench();
      await backend.run("delete from deployments");
      await store.deployments.want("www", ["lb"], 1);
      expect((await audit()).rows).toEqual([{ row: "deployments www lb", kind: "contradictory" }]);
      await store.deployments.update("www", "lb", 0, { deployedGeneration: 1, receipt: { arn: "arn" } });
      await store.events.append({ ...of, target: "lb", type: "deploy.succeeded", renewalId: "r2", detail: {} });
      expect((await audit()).rows).toEqual([]);
    });

    test("asks for no acknowledgement that was withdrawn", async () => {
      await fill();
      await withdrawAcknowledgement(bench().store, { subject: "www", certificate: "www", by: null, at: NOW });
      expect((await audit()).rows).toEqual([]);
    });

    test("asks for a deployment only as long as its target is configured and nobody cleaned it up", async () => {
      await fill();
      const { store } = bench();
      const changed = (targets: readonly string[]) =>
        store.events.append({
          ...of,
          type: "certificate.configured",
          renewalId: null,
          detail: { change: "changed", targets },
        });
      await changed([]);
      await store.deployments.want("www", [], 1);
      expect((await audit()).rows, "it left").toEqual([]);
      await changed(["lb", "old"]);
      await store.leftTargets.remove({ certificate: "www", target: "old" });
      await store.events.append({ ...of, target: "old", type: "target.returned", renewalId: null, detail: {} });
      expect((await audit()).rows, "it came back and holds nothing yet").toEqual([]);
      await store.deployments.want("www", ["lb", "old"], 1);
      await store.deployments.update("www", "lb", 0, { deployedGeneration: 1, receipt: {} });
      await store.events.append({ ...of, target: "lb", type: "deploy.succeeded", renewalId: "r2", detail: {} });
      await store.deployments.remove("www", "lb");
      await store.events.append({ ...of, target: "lb", type: "target.cleaned", renewalId: null, detail: {} });
      expect((await audit()).rows, "a person cleaned up").toEqual([]);
    });

    test("asks for an account only as long as renewd has it, and by its name of now", async () => {
      await fill();
      const { accounts } = bench().store;
      expect(await accounts.follow("renamed", "https://ca.example/dir", ["renamed"])).toBe("ca");
      expect((await audit()).rows).toEqual([]);
      await accounts.remove("renamed", "https://ca.example/dir");
      await accounts.remove("renamed", "https://ca.example/dir");
      expect((await audit()).rows).toEqual([]);
      const events = await bench().store.events.list({ limit: 99 });
      expect(events.map(({ type }) => type).filter((type) => type.startsWith("account."))).toEqual([
        "account.created",
        "account.renamed",
        "account.removed",
      ]);
    });

    test("names rows that were put back with the seals that they had before the history undid them", async () => {
      await fill();
      const { store, backend } = bench();
      await pause(store, { certificate: "www", reason: "incident", until: null }, NOW);
      for (const table of ["certificates", "versions", "acknowledgements"])
        await backend.run(`create table kept_${table} as select * from ${table}`);
      await resume(store, "www", NOW);
      await store.versions.markRevoked("www", 1, NOW);
      await store.events.append({ ...of, type: "version.revoked", renewalId: null, detail: { generation: 1 } });
      await withdrawAcknowledgement(store, { subject: "www", certificate: "www", by: null, at: NOW });
      expect((await audit()).rows).toEqual([]);
      const put = (table: string, columns: readonly string[], key: string): Promise<unknown> => {
        const set = columns.map((column) => `${column} = (select ${column} from kept_${table})`).join(", ");
        return backend.run(`update ${table} set ${set} where ${key}`);
      };
      await put("certificates", ["paused_at", "paused_until", "paused_reason", "seal"], "name = 'www'");
      await put("versions", ["revoked_at", "seal"], "certificate = 'www'");
      await backend.run("insert into acknowledgements select * from kept_acknowledgements");
      const rows = new Set((await audit()).rows.map(({ row, kind }) => `${row}: ${kind}`));
      for (const table of ["certificates", "versions", "acknowledgements"])
        await backend.run(`drop table kept_${table}`);
      const undone = ["acknowledgements www", "certificates www", "versions www 1"];
      expect(rows).toEqual(new Set(undone.map((row) => `${row}: contradictory`)));
    });

    test("names a renewal that was put back to an earlier state of its own", async () => {
      await fill();
      const { store, backend } = bench();
      await backend.run("create table kept as select * from renewals where id = 'r2'");
      await store.renewals.update("r2", 0, { state: "failed", finishedAt: NOW, nextActionAt: null });
      await store.events.append({ ...of, type: "renewal.failed", renewalId: "r2", detail: {} });
      await backend.run(
        "delete from renewals where id = 'r2'; insert into renewals select * from kept; drop table kept",
      );
      expect((await audit()).rows).toEqual([{ row: "renewals r2", kind: "contradictory" }]);
    });

    test.each([
      ["the history", ["events", "history_head"]],
      ["everything", [...Object.keys(SEALED), "events", "history_head", "event_totals", "totals_counted", "meta"]],
    ])("a database in which %s was deleted is not whole, also where no head was noted", async (_what, tables) => {
      await fill();
      const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const deletes = tables.map((table) => `delete from ${snake(table)}`);
      await bench().backend.run(tamper(dialect, deletes.join("; ")));
      expect(await audit()).toMatchObject({ events: 0, headProblem: "absent" });
    });

    test("a database in which everything was deleted shows against the head that was noted", async () => {
      await fill();
      const { head } = await audit();
      const noted = await mark();
      const tables = ["events", "history_head", "certificates", "versions", "renewals", "accounts", "challenges"];
      const deleted = [...tables, "replacements", "replacement_members"].map((table) => `delete from ${table}`);
      await bench().backend.run(tamper(dialect, deleted.join("; ")));
      expect(await audit([noted])).toMatchObject({ events: 0, lostHeads: [head] });
    });

    test("an earlier head that came back without the last event shows against the head that was noted", async () => {
      await fill();
      const { store, backend } = bench();
      await backend.run("create table kept as select * from history_head");
      await store.events.append({ ...of, type: "renewal.failed", renewalId: "r2", detail: {} });
      const noted = await mark();
      await backend.run(
        tamper(
          dialect,
          `delete from events where seq = ${noted.seq}; delete from history_head;
           insert into history_head select * from kept; drop table kept`,
        ),
      );
      expect(await audit()).toMatchObject({ headProblem: null, faults: [], lostHeads: [] });
      expect(await audit([noted])).toMatchObject({ lostHeads: [`${noted.seq}:${noted.seal}`] });
      // Numbers that were used again do not hide it.
      for (let n = 0; n < 3; n += 1)
        await store.events.append({ ...of, type: "issue.started", renewalId: "r2", detail: { n } });
      expect(await audit([noted])).toMatchObject({ faults: [], lostHeads: [`${noted.seq}:${noted.seal}`] });
    });

    test("what a person accepted is listed apart; what comes after it is found", async () => {
      await fill();
      const { backend, vault, store } = bench();
      await backend.run("update versions set verified_at = 5; delete from left_targets");
      await backend.run(
        tamper(dialect, "update history_head set first_sealed = 2; update events set at = 1 where seq = 4"),
      );
      const acceptance = { by: null, reason: "known", worker: "w", clock: { now: () => NOW } };
      await acceptStore(backend.options, vault, { audit: { noted: [], now: NOW }, acceptance }, SIGNAL);
      expect(await audit()).toMatchObject({
        ...{ headProblem: null, faults: [], rows: [] },
        accepted: [
          {
            ...{ headProblem: "altered", reason: "known", by: null, heads: [] },
            events: expect.arrayContaining(["4-4 altered"]),
            rows: ["altered versions www 1", "missing leftTargets www old"],
          },
        ],
      });
      await store.events.append({ ...of, type: "issue.started", renewalId: "r2", detail: {} });
      await backend.run("update renewals set reason = 'revoked' where id = 'r2'");
      await backend.run("delete from acknowledgements");
      expect((await audit()).rows).toEqual([
        { row: "renewals r2", kind: "altered" },
        { row: "acknowledgements www", kind: "missing" },
      ]);
    });

    test("an event of somebody else's with a later number can be accepted with the gap that it leaves", async () => {
      await fill();
      const { backend, vault, store } = bench();
      const { last } = await audit();
      await backend.run(
        `insert into events (seq, at, type, worker, detail, seal)
         select ${(last ?? 0) + 5}, at, type, worker, detail, seal from events where seq = 1`,
      );
      const acceptance = { by: null, reason: "known", worker: "w", clock: { now: () => NOW } };
      await acceptStore(backend.options, vault, { audit: { noted: [], now: NOW }, acceptance }, SIGNAL);
      await store.events.append({ ...of, type: "issue.started", renewalId: "r2", detail: {} });
      expect(await audit()).toMatchObject({ headProblem: null, faults: [] });
    });

    test("a restore by renewd after the noted event explains that it is gone; one before does not", async () => {
      await fill();
      const noted = { seq: 99, at: NOW + 5, seal: "x".repeat(43) };
      const restored = {
        certificate: null,
        renewalId: null,
        target: null,
        type: "store.restored",
        detail: {},
      } as const;
      await bench().store.events.append({ ...restored, at: NOW });
      expect((await audit([noted])).lostHeads).toHaveLength(1);
      await bench().store.events.append({ ...restored, at: NOW + 6 });
      expect((await audit([noted])).lostHeads).toEqual([]);
    });
  });

  const mark = async () => {
    const found = await bench().store.events.mark();
    if (found === null) throw new Error("there is no event");
    return found;
  };
}
