import { chmod, copyFile, stat } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { restoreStore, type StoreOptions } from "../../src/store/index.ts";
import { certificate, DAY_MS, deployment, NOW } from "../support/model/facts.ts";
import { type Postgres, startPostgres } from "../support/servers/postgres.ts";
import { type Bench, createBench, NAME, never } from "./backupBench.ts";

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

describe("a backup", () => {
  beforeEach(async () => {
    const from = bench.sqlite("renewd.db");
    await bench.fill(from);
    await bench.backUp(from);
  });

  const isEmpty = (options: StoreOptions): Promise<boolean> =>
    bench.withStore(
      options,
      async (store) => (await store.certificates.list()).length + (await store.events.list({ limit: 1 })).length === 0,
    );

  test.each(DIALECTS)("does not go into a %s database that holds something", async (_, create) => {
    const to = await (async () => {
      const options = await create();
      return options.kind === "sqlite" ? bench.sqlite("used.db") : options;
    })();
    await bench.withStore(to, (store) => store.certificates.sync([certificate({ name: "mine" })], NOW));
    await expect(bench.restore(to)).rejects.toMatchObject({
      code: "request.invalid",
      message: expect.stringContaining("is not empty"),
    });
    await bench.withStore(to, async (store) =>
      expect((await store.certificates.list()).map(({ name }) => name)).toEqual(["mine"]),
    );
  });

  test("that cannot be marked as old is not restored at all", async () => {
    const to = await postgresql();
    const mark = () => Promise.reject(new Error("planted"));
    await expect(
      restoreStore(bench.path(), to, bench.vault, { workDirectory: bench.path("work"), worker: "w", mark }, never),
    ).rejects.toThrow("planted");
    expect(await isEmpty(to)).toBe(true);
  });

  test("restored twice gives higher generations the second time", async () => {
    const [first, second] = [bench.sqlite("first.db"), bench.sqlite("second.db")];
    await bench.restore(first, "backup", { now: NOW + DAY_MS });
    await bench.restore(second, "backup", { now: NOW + 2 * DAY_MS });
    const floor = (options: StoreOptions) =>
      bench.withStore(options, async (store) => (await store.certificates.get(NAME))?.generationFloor ?? 0);
    expect((await floor(second)) - (await floor(first))).toBe(1_440);
  });

  test("restored refuses the late write of a worker that goes on from the lost database", async () => {
    const to = bench.sqlite("fenced.db");
    await bench.restore(to);
    await bench.withStore(to, async (store) => {
      expect(await store.renewals.update("r", 0, { state: "deploying" })).toBe(false);
      expect(await store.deployments.update(NAME, "lb", 0, { deployedGeneration: 3 })).toBe(false);
      const claimed = await store.deployments.claim(NAME, "lb", NOW, 1_000);
      expect(claimed?.fence).toBeGreaterThan(deployment().fence + 1_000);
    });
  });

  test("a certificate that the backup does not know starts above what may have been deployed", async () => {
    const to = bench.sqlite("unknown.db");
    await bench.restore(to);
    await bench.withStore(to, async (store) => {
      await store.certificates.sync([certificate({ name: NAME }), certificate({ name: "added-later" })], NOW);
      expect(await store.certificates.get("added-later")).toMatchObject({
        restoredAt: null,
        generationFloor: 3 + 1_000 + 1_440,
      });
    });
  });

  test("restored makes a database that is its owner's alone, however open the file was", async () => {
    await copyFile(bench.path(), bench.path("readable"));
    await chmod(bench.path("readable"), 0o644);
    await bench.restore(bench.sqlite("from-readable.db"), "readable");
    expect(((await stat(bench.path("from-readable.db"))).mode & 0o777).toString(8)).toBe("600");
  });
});
