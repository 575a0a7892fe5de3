import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/compose/clock.ts";
import { noteHistory } from "../../src/compose/watchHistory.ts";
import type { Store } from "../../src/domain/store.ts";
import { createLog } from "../../src/log.ts";
import { openStore, openVault, readMark } from "../../src/store/index.ts";

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-watch-history-"));
  const vault = await openVault({ file: join(directory, "master.key") });
  store = await openStore({ kind: "sqlite", file: join(directory, "renewd.db") }, vault, "test/1");
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const log = createLog({ level: "fatal", pretty: false });
const note = (): Promise<string | null> => noteHistory({ store, log, clock: systemClock }, directory);
const of = { certificate: "www", renewalId: "r", target: null, detail: {} };
const append = (): Promise<void> => store.events.append({ ...of, at: systemClock.now(), type: "issue.started" });

test("the newest event is noted outside the database, for its owner alone", async () => {
  expect(await note()).toBeNull();
  await append();
  expect(await note()).toMatch(/^1:/);
  await append();
  expect(await note()).toMatch(/^2:/);
  expect(await readMark(directory)).toEqual(await store.events.mark());
  expect((await stat(join(directory, "history.head"))).mode & 0o777).toBe(0o600);
});

test("a history that was put back pages once, and what was noted stays as it was", async () => {
  await append();
  await append();
  await note();
  const noted = await readFile(join(directory, "history.head"), "utf8");
  using database = new DatabaseSync(join(directory, "renewd.db"));
  database.exec("drop trigger events_no_delete; delete from events; delete from history_head");
  for (let n = 0; n < 3; n += 1) expect(await note()).toBeNull();
  const events = await store.events.list({ types: ["store.rolledBack"], limit: 9 });
  expect(events.map(({ detail }) => detail.number)).toEqual([2]);
  expect(await readFile(join(directory, "history.head"), "utf8")).toBe(noted);
});

test("a file that is something else is refused with its path", async () => {
  await writeFile(join(directory, "history.head"), "{}");
  await expect(note()).rejects.toMatchObject({
    code: "store.altered",
    message: expect.stringContaining(join(directory, "history.head")),
  });
});
