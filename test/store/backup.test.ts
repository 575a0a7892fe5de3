import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/domain/store.ts";
import { markRestored } from "../../src/renewal/restored.ts";
import { backupStore, openStore, openVault, restoreStore, type StoreOptions, type Vault } from "../../src/store/index.ts";
import { certificate, DAY_MS, deployment, NOW, renewal, version } from "../support/facts.ts";
import { type Postgres, startPostgres } from "../support/postgres.ts";

const NAME = "planted-certificate-name";
const never = new AbortController().signal;

let postgres: Postgres;
let home: string;
let directory: string;
let vault: Vault;
let made = 0;
beforeAll(async () => {
  postgres = await startPostgres();
  home = await mkdtemp(join(tmpdir(), "renewd-backup-test-"));
  vault = await openVault({ file: join(home, "master.key") });
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});
beforeEach(async () => {
  made += 1;
  directory = join(home, `test-${made}`);
  await mkdir(directory);
});

async function withStore<T>(options: StoreOptions, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(options, vault, "test/1");
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

const sqlite = (name: string): StoreOptions => ({ kind: "sqlite", file: join(directory, name) });
const postgresql = async (): Promise<StoreOptions> => ({ kind: "postgresql", url: await postgres.createDatabase() });
const DIALECTS: [string, () => Promise<StoreOptions>][] = [
  ["SQLite", async () => sqlite("renewd.db")],
  ["PostgreSQL", postgresql],
];

/** Generation 3 is live, 4 is on its way. */
const fill = (options: StoreOptions) =>
  withStore(options, (store) =>
    store.transaction(async (tx) => {
      await tx.certificates.sync([certificate({ name: NAME }), certificate({ name: "gone" })], NOW);
      await tx.certificates.sync([certificate({ name: NAME })], NOW);
      await tx.versions.insert(version({ certificate: NAME, generation: 3 }), new Secret("certificate key"));
      await tx.renewals.insert(renewal({ id: "r", certificate: NAME, generation: 4, state: "issuing" }));
      await tx.renewals.saveOrderState("r", 0, { privateKey: new Secret("order key"), orderUrl: "https://ca.example/order/1", csr: "csr" });
      await tx.deployments.want(NAME, ["lb"], 3);
      await tx.accounts.create("ca", "https://ca.example/dir", new Secret("account key"));
      await tx.events.append({ at: NOW, type: "renewal.planned", certificate: NAME, renewalId: "r", target: null, detail: {} });
    }),
  );

const backUp = (from: StoreOptions, name = "backup", replace = false) => backupStore(from, join(directory, name), vault, { replace, now: NOW }, never);
const restore = (to: StoreOptions, name = "backup", key = vault) =>
  restoreStore(
    join(directory, name),
    to,
    key,
    { workDirectory: join(directory, "work"), worker: "test/2", mark: async (tx, { createdAt }) => void (await markRestored(tx, createdAt, NOW + DAY_MS)) },
    never,
  );

describe.each(DIALECTS)("a backup of %s", (_, create) => {
  test.each(DIALECTS)("restored into %s holds everything, ends what was in flight and knows that it is old", async (_name, createOther) => {
    const from = await create();
    await fill(from);
    expect(await backUp(from)).toMatchObject({ rows: { certificates: 2, versions: 1, renewals: 1, events: 1, accounts: 1 } });
    const to = from.kind === "sqlite" ? sqlite("restored.db") : await createOther();
    expect(await restore(to)).toMatchObject({ createdAt: NOW, rows: { certificates: 2, versions: 1 } });
    await withStore(to, async (store) => {
      expect((await store.versions.privateKey(NAME, 3)).reveal()).toBe("certificate key");
      expect((await store.accounts.get("ca", "https://ca.example/dir"))?.privateKey.reveal()).toBe("account key");
      expect(await store.renewals.get("r")).toMatchObject({ state: "cancelled", nextActionAt: null, finishedAt: NOW + DAY_MS });
      expect(await store.renewals.orderState("r")).toEqual({ privateKey: null, orderUrl: null, csr: null });
      // 1,000, and one for each minute of the day that has passed.
      expect(await store.certificates.get(NAME)).toMatchObject({ restoredAt: NOW + DAY_MS, generationFloor: 3 + 1_000 + 1_440, nextCheckAt: NOW + DAY_MS });
      expect(await store.certificates.get("gone")).toMatchObject({ restoredAt: NOW + DAY_MS, nextCheckAt: null });
      const events = await store.events.list({ limit: 9 });
      expect(events.map(({ seq, type }) => [seq, type])).toEqual([
        [1, "renewal.planned"],
        [2, "renewal.cancelled"],
        [3, "store.restored"],
      ]);
      expect(events[2]).toMatchObject({ worker: "test/2", detail: { backupMadeAt: NOW, certificates: 2, cancelledRenewals: 1 } });
    });
  });

  test("is the state of one instant although others write meanwhile", async () => {
    const from = await create();
    await fill(from);
    await withStore(from, async (store) => {
      let copying = true;
      let written = 0;
      const writing = (async () => {
        // Two rows in one transaction, in tables that are copied one after the other: never one without the other.
        for (; copying; written += 1) {
          await store.transaction(async (tx) => {
            await tx.versions.insert(version({ certificate: NAME, generation: 100 + written }), new Secret("key"));
            await tx.events.append({ at: NOW, type: "version.issued", certificate: NAME, renewalId: null, target: null, detail: {} });
          });
        }
      })();
      for (let n = 0; n < 5; n += 1) await backUp(from, `while-writing-${n}`);
      copying = false;
      await writing;
      expect(written).toBeGreaterThan(5);
    });
    for (let n = 0; n < 5; n += 1) {
      const to = sqlite(`consistent-${n}.db`);
      const { rows } = await restore(to, `while-writing-${n}`);
      // `fill` wrote one of each.
      expect(rows.events).toBe(rows.versions);
    }
  });
});

describe("a backup file", () => {
  let from: StoreOptions;
  beforeEach(async () => {
    from = sqlite("renewd.db");
    await fill(from);
    await backUp(from);
  });
  const path = (name = "backup"): string => join(directory, name);
  const isEmpty = (options: StoreOptions): Promise<boolean> =>
    withStore(options, async (store) => (await store.certificates.list()).length + (await store.events.list({ limit: 1 })).length === 0);

  test("is its owner's alone, tells nothing of what is in it, and nothing is left beside it", async () => {
    expect(((await stat(path())).mode & 0o777).toString(8)).toBe("600");
    const content = await readFile(path(), "latin1");
    for (const planted of [NAME, "www.example.org", "ca.example", "renewal.planned", "SQLite format"]) expect(content).not.toContain(planted);
    await restore(sqlite("restored.db"));
    expect((await readdir(directory)).filter((name) => name.startsWith(".")).concat(await readdir(path("work")))).toEqual([]);
  });

  test("is not overwritten unless told, and then replaced whole", async () => {
    const before = await readFile(path());
    await expect(backUp(from)).rejects.toMatchObject({ code: "backup.file", message: expect.stringContaining("exists already") });
    expect(await readFile(path())).toEqual(before);
    await backUp(from, "backup", true);
    expect(await readFile(path())).not.toEqual(before);
    await restore(sqlite("restored.db"));
  });

  test("of two made at once under one name one is there, whole, and the other is refused", async () => {
    const results = await Promise.allSettled([backUp(from, "race"), backUp(from, "race"), backUp(from, "race")]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
    await restore(sqlite("restored.db"), "race");
  });

  test.each<[string, () => Promise<string>, string]>([
    ["a directory that does not exist", async () => "missing/backup", "ENOENT"],
    ["a file as its directory", async () => "backup/below", "ENOTDIR"],
    [
      "an existing directory",
      async () => {
        await mkdir(path("folder"));
        return "folder";
      },
      "is a directory",
    ],
  ])("into %s is refused by name", async (_, prepare, message) => {
    const name = await prepare();
    await expect(backUp(from, name, true)).rejects.toMatchObject({ code: "backup.file", message: expect.stringContaining(message) });
  });

  test("replaces a link and not what it points to", async () => {
    await writeFile(path("precious"), "precious");
    await symlink(path("precious"), path("link"));
    await backUp(from, "link", true);
    expect(await readFile(path("precious"), "utf8")).toBe("precious");
    await restore(sqlite("restored.db"), "link");
  });

  test("interrupted leaves nothing behind", async () => {
    const before = await readdir(directory);
    const aborted = backupStore(from, path("interrupted"), vault, { replace: false, now: NOW }, AbortSignal.abort(new Error("interrupted")));
    await expect(aborted).rejects.toThrow("interrupted");
    expect(await readdir(directory)).toEqual(before);
  });

  test("opens with no other master key, and says which one it needs", async () => {
    const other = await openVault({ file: path("other.key") });
    const to = sqlite("other.db");
    const refused = restore(to, "backup", other);
    await expect(refused).rejects.toMatchObject({
      code: "store.sealed",
      message: expect.stringMatching(`${vault.keyId}; the configured one has id ${other.keyId}`),
    });
    await expect(stat(path("other.db"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("cut short anywhere is refused, and nothing is written", async () => {
    const whole = await readFile(path());
    const header = whole.indexOf("\n") + 1;
    const lengths = [0, 1, 15, header - 1, header, header + 11, header + 12, header + 27, header + 28, whole.length >> 1, whole.length - 17, whole.length - 1];
    for (const length of lengths) {
      await writeFile(path("cut"), whole.subarray(0, length));
      await expect(restore(sqlite("cut.db"), "cut"), `${length} bytes`).rejects.toMatchObject({
        code: "backup.damaged",
        message: expect.stringContaining("cut"),
      });
    }
    await expect(stat(path("cut.db"))).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readdir(path("work"))).toEqual([]);
  });

  test("altered anywhere is refused, and nothing is written", async () => {
    const whole = await readFile(path());
    const header = whole.indexOf("\n") + 1;
    const keyId = whole.indexOf(vault.keyId);
    const places = [
      3,
      14,
      20,
      40,
      60,
      header - 60,
      header - 4,
      header - 2,
      header,
      header + 13,
      header + 200,
      whole.length >> 1,
      whole.length - 16,
      whole.length - 1,
    ];
    for (const place of places.filter((at) => at < keyId || at > keyId + vault.keyId.length)) {
      const altered = Buffer.from(whole);
      altered.writeUInt8(altered.readUInt8(place) ^ 1, place);
      await writeFile(path("altered"), altered);
      await expect(restore(sqlite("altered.db"), "altered"), `byte ${place}`).rejects.toMatchObject({ code: "backup.damaged" });
    }
    await writeFile(path("longer"), Buffer.concat([whole, Buffer.from("x")]));
    await expect(restore(sqlite("altered.db"), "longer")).rejects.toMatchObject({ code: "backup.damaged" });
    // The header of one backup before the contents of another.
    await backUp(from, "second");
    const second = await readFile(path("second"));
    await writeFile(path("mixed"), Buffer.concat([whole.subarray(0, header), second.subarray(second.indexOf("\n") + 1)]));
    await expect(restore(sqlite("altered.db"), "mixed")).rejects.toMatchObject({ code: "backup.damaged" });
    await expect(stat(path("altered.db"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test.each([
    ["some other file", "-----BEGIN CERTIFICATE-----\n", "backup.damaged", "is not a backup made by"],
    ["an empty file", "", "backup.damaged", "is not a backup made by"],
    ["one long line", "x".repeat(100_000), "backup.damaged", "is not a backup made by"],
    ["a later format", 'renewd-backup:2 {"new":true}\n', "backup.damaged", "written by a newer renewd"],
    ["a header that is no JSON", "renewd-backup:1 {\n", "backup.damaged", "cut short or was altered"],
    ["a header without what it must hold", 'renewd-backup:1 {"__proto__":{}}\n', "backup.damaged", "cut short or was altered"],
  ])("that is %s is refused", async (_, text, code, message) => {
    await writeFile(path("foreign"), text);
    await expect(restore(sqlite("foreign.db"), "foreign")).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("that is missing, a directory or unreadable is refused by name", async () => {
    await expect(restore(sqlite("none.db"), "nothing")).rejects.toMatchObject({ code: "backup.file", message: expect.stringContaining("ENOENT") });
    await expect(restore(sqlite("none.db"), "work/..")).rejects.toMatchObject({ code: "backup.file", message: expect.stringContaining("EISDIR") });
  });

  test.each(DIALECTS)("does not go into a %s database that holds something", async (_, create) => {
    const to = await (async () => {
      const options = await create();
      return options.kind === "sqlite" ? sqlite("used.db") : options;
    })();
    await withStore(to, (store) => store.certificates.sync([certificate({ name: "mine" })], NOW));
    await expect(restore(to)).rejects.toMatchObject({ code: "request.invalid", message: expect.stringContaining("is not empty") });
    await withStore(to, async (store) => expect((await store.certificates.list()).map(({ name }) => name)).toEqual(["mine"]));
  });

  test("that cannot be marked as old is not restored at all", async () => {
    const to = await postgresql();
    const mark = () => Promise.reject(new Error("planted"));
    await expect(restoreStore(path(), to, vault, { workDirectory: path("work"), worker: "w", mark }, never)).rejects.toThrow("planted");
    expect(await isEmpty(to)).toBe(true);
  });

  test("restored twice gives higher generations the second time", async () => {
    const [first, second] = [sqlite("first.db"), sqlite("second.db")];
    const at = (options: StoreOptions, now: number) =>
      restoreStore(
        path(),
        options,
        vault,
        { workDirectory: path("work"), worker: "w", mark: async (tx, b) => void (await markRestored(tx, b.createdAt, now)) },
        never,
      );
    await at(first, NOW + DAY_MS);
    await at(second, NOW + 2 * DAY_MS);
    const floor = (options: StoreOptions) => withStore(options, async (store) => (await store.certificates.get(NAME))?.generationFloor ?? 0);
    expect((await floor(second)) - (await floor(first))).toBe(1_440);
  });

  test("restored refuses the late write of a worker that goes on from the lost database", async () => {
    const to = sqlite("fenced.db");
    await restore(to);
    await withStore(to, async (store) => {
      expect(await store.renewals.update("r", 0, { state: "deploying" })).toBe(false);
      expect(await store.deployments.update(NAME, "lb", 0, { deployedGeneration: 3 })).toBe(false);
      const claimed = await store.deployments.claim(NAME, "lb", NOW, 1_000);
      expect(claimed?.fence).toBeGreaterThan(deployment().fence + 1_000);
    });
  });

  test("of a certificate the backup never knew, configured again, begins above what may have been deployed", async () => {
    const to = sqlite("unknown.db");
    await restore(to);
    await withStore(to, async (store) => {
      await store.certificates.sync([certificate({ name: NAME }), certificate({ name: "added-later" })], NOW);
      expect(await store.certificates.get("added-later")).toMatchObject({ restoredAt: null, generationFloor: 3 + 1_000 + 1_440 });
    });
  });

  test("restored makes a database that is its owner's alone, however open the file was", async () => {
    await copyFile(path(), path("readable"));
    await chmod(path("readable"), 0o644);
    await restore(sqlite("from-readable.db"), "readable");
    expect(((await stat(path("from-readable.db"))).mode & 0o777).toString(8)).toBe("600");
  });
});
