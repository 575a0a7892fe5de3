import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { backupStore, type StoreOptions } from "../../src/store/index.ts";
import { NOW, version } from "../support/model/facts.ts";
import { type Postgres, startPostgres } from "../support/servers/postgres.ts";
import { type Bench, createBench, NAME, RESTORED_AT } from "./backupBench.ts";

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const postgresql = async (): Promise<StoreOptions> => ({ kind: "postgresql", url: await postgres.createDatabase() });

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

const DIALECTS: [string, () => Promise<StoreOptions>][] = [
  ["SQLite", async () => bench.sqlite("renewd.db")],
  ["PostgreSQL", postgresql],
];

describe.each(DIALECTS)("a backup of %s", (_, create) => {
  test.each(DIALECTS)(
    "restored into %s holds everything, ends what was in flight and knows that it is old",
    async (_name, createOther) => {
      const from = await create();
      await bench.fill(from);
      expect(await bench.backUp(from)).toMatchObject({
        rows: { certificates: 2, versions: 1, renewals: 1, events: 2, accounts: 1 },
      });
      const to = from.kind === "sqlite" ? bench.sqlite("restored.db") : await createOther();
      expect(await bench.restore(to)).toMatchObject({ createdAt: NOW, rows: { certificates: 2, versions: 1 } });
      await bench.withStore(to, async (store) => {
        expect((await store.versions.privateKey(NAME, 3)).reveal()).toBe("certificate key");
        expect((await store.accounts.get("ca", "https://ca.example/dir"))?.privateKey.reveal()).toBe("account key");
        expect(await store.renewals.get("r")).toMatchObject({
          state: "cancelled",
          nextActionAt: null,
          finishedAt: RESTORED_AT,
        });
        expect(await store.renewals.orderState("r")).toEqual({ privateKey: null, orderUrl: null, csr: null });
        // 1,000, and one for each minute of the day that has passed.
        expect(await store.certificates.get(NAME)).toMatchObject({
          restoredAt: RESTORED_AT,
          generationFloor: 3 + 1_000 + 1_440,
          nextCheckAt: RESTORED_AT,
        });
        expect(await store.certificates.get("gone")).toMatchObject({ restoredAt: RESTORED_AT, nextCheckAt: null });
        const events = await store.events.list({ limit: 9 });
        expect(events.map(({ seq, type }) => [seq, type])).toEqual([
          [1, "account.created"],
          [2, "renewal.planned"],
          [3, "renewal.cancelled"],
          [4, "store.restored"],
        ]);
        expect(events[3]).toMatchObject({
          worker: "test/2",
          detail: { backupMadeAt: NOW, certificates: 2, cancelledRenewals: 1 },
        });
      });
    },
  );

  test("is the state of one instant although others write meanwhile", async () => {
    const from = await create();
    await bench.fill(from);
    await bench.withStore(from, async (store) => {
      let copying = true;
      let written = 0;
      const writing = (async () => {
        // Two rows in one transaction, in tables that are copied one after the other: never one without the other.
        for (; copying; written += 1) {
          await store.transaction(async (tx) => {
            await tx.versions.insert(version({ certificate: NAME, generation: 100 + written }), new Secret("key"));
            await tx.events.append({
              at: NOW,
              type: "version.issued",
              certificate: NAME,
              renewalId: null,
              target: null,
              detail: {},
            });
          });
        }
      })();
      for (let n = 0; n < 5; n += 1) await bench.backUp(from, `while-writing-${n}`);
      copying = false;
      await writing;
      expect(written).toBeGreaterThan(5);
    });
    for (let n = 0; n < 5; n += 1) {
      const to = bench.sqlite(`consistent-${n}.db`);
      const { rows } = await bench.restore(to, `while-writing-${n}`);
      // `fill` wrote one of each, and the account's creation.
      expect(rows.events).toBe((rows.versions ?? 0) + 1);
    }
  });
});

describe("a backup file", () => {
  let from: StoreOptions;
  beforeEach(async () => {
    from = bench.sqlite("renewd.db");
    await bench.fill(from);
    await bench.backUp(from);
  });

  test("is readable by its owner only, reveals no content, and leaves nothing beside it", async () => {
    expect(((await stat(bench.path())).mode & 0o777).toString(8)).toBe("600");
    const content = await readFile(bench.path(), "latin1");
    for (const planted of [NAME, "www.example.org", "ca.example", "renewal.planned", "SQLite format"])
      expect(content).not.toContain(planted);
    await bench.restore(bench.sqlite("restored.db"));
    expect(
      (await readdir(bench.path("."))).filter((name) => name.startsWith(".")).concat(await readdir(bench.path("work"))),
    ).toEqual([]);
  });

  test("is overwritten only with --force, and then replaced whole", async () => {
    const before = await readFile(bench.path());
    await expect(bench.backUp(from)).rejects.toMatchObject({
      code: "backup.file",
      message: expect.stringContaining("exists already"),
    });
    expect(await readFile(bench.path())).toEqual(before);
    await bench.backUp(from, "backup", true);
    expect(await readFile(bench.path())).not.toEqual(before);
    await bench.restore(bench.sqlite("restored.db"));
  });

  test("of two created at once under one name one exists, whole, and the other is refused", async () => {
    const results = await Promise.allSettled([
      bench.backUp(from, "race"),
      bench.backUp(from, "race"),
      bench.backUp(from, "race"),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
    await bench.restore(bench.sqlite("restored.db"), "race");
  });

  test.each<[string, () => Promise<string>, string]>([
    ["a directory that does not exist", async () => "missing/backup", "ENOENT"],
    ["a file as its directory", async () => "backup/below", "ENOTDIR"],
    [
      "an existing directory",
      async () => {
        await mkdir(bench.path("folder"));
        return "folder";
      },
      "is a directory",
    ],
  ])("into %s is refused by name", async (_, prepare, message) => {
    const name = await prepare();
    await expect(bench.backUp(from, name, true)).rejects.toMatchObject({
      code: "backup.file",
      message: expect.stringContaining(message),
    });
  });

  test("replaces a link and not what it points to", async () => {
    await writeFile(bench.path("precious"), "precious");
    await symlink(bench.path("precious"), bench.path("link"));
    await bench.backUp(from, "link", true);
    expect(await readFile(bench.path("precious"), "utf8")).toBe("precious");
    await bench.restore(bench.sqlite("restored.db"), "link");
  });

  test("interrupted leaves nothing behind", async () => {
    const before = await readdir(bench.path("."));
    const aborted = backupStore(
      from,
      bench.path("interrupted"),
      bench.vault,
      { replace: false, now: NOW },
      AbortSignal.abort(new Error("interrupted")),
    );
    await expect(aborted).rejects.toThrow("interrupted");
    expect(await readdir(bench.path("."))).toEqual(before);
  });
});
