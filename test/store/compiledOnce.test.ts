import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { openEmptyDatabase } from "../../src/store/database.ts";
import { oneRowOnce } from "../../src/store/queries/compiledOnce.ts";
import { deployFacts, planningFacts, renewalFacts } from "../../src/store/queries/renewalFacts.ts";
import type { Db } from "../../src/store/schema.ts";
import { passingVault } from "../../src/store/vault.ts";

afterEach(() => vi.restoreAllMocks());

test("a query that is built once answers each time for its own arguments, also inside a transaction", async () => {
  const { db } = await openEmptyDatabase(passingVault());
  const build = vi.fn((asked: Db, { a, b }: { readonly a: string; readonly b: number }) =>
    asked.selectNoFrom((row) => [row.val(b).as("theB"), row.val(a).as("theA"), row(row.val(b), ">", 2).as("large")]),
  );
  const ask = oneRowOnce(["a", "b"], build);
  expect(await ask(db, { a: "x", b: 2 })).toEqual({ theA: "x", theB: 2, large: 0 });
  const inside = db.transaction().execute((trx) => ask(trx, { a: "y", b: 3 }));
  expect(await inside).toEqual({ theA: "y", theB: 3, large: 1 });
  expect(build).toHaveBeenCalledTimes(1);
  await db.destroy();
});

test("what every renewal asks is prepared once", async () => {
  const vault = passingVault();
  const { db } = await openEmptyDatabase(vault);
  const prepare = vi.spyOn(DatabaseSync.prototype, "prepare");
  for (const certificate of ["a", "b", "c"]) {
    await planningFacts(db, { dialect: "sqlite", vault }, certificate);
    await renewalFacts(db, vault, { certificate, generation: 1 });
    await deployFacts(db, vault, { certificate, generation: 1 });
  }
  expect(prepare).toHaveBeenCalledTimes(3);
  // One that is bound makes SQLite prepare the statement for each use.
  expect(prepare.mock.calls.join()).not.toContain("limit ?");
  await db.destroy();
});
