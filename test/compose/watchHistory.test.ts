import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/compose/clock.ts";
import { noteHistory, watchHistory } from "../../src/compose/watchHistory.ts";
import type { HistoryMark } from "../../src/domain/event.ts";
import type { Store } from "../../src/domain/store.ts";
import { createLog } from "../../src/log.ts";
import { statusReport } from "../../src/reports/status.ts";
import { acceptStore, markText, openStore, openVault, readMark } from "../../src/store/index.ts";
import { until } from "../support/until.ts";

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
const note = async (seen: HistoryMark | null = null): Promise<string | null> => {
  const noted = await noteHistory({ store, log, clock: systemClock }, directory, seen);
  return noted && markText(noted);
};
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

test.each([
  ["deleted", () => rm(join(directory, "history.head"))],
  ["put back", (first: string) => writeFile(join(directory, "history.head"), first)],
])("a process goes by what it noted itself when the file was %s with the history", async (_how, change) => {
  await append();
  await note();
  const first = await readFile(join(directory, "history.head"), "utf8");
  await append();
  await note();
  const seen = await readMark(directory);
  using database = new DatabaseSync(join(directory, "renewd.db"));
  database.exec("drop trigger events_no_delete; delete from events where seq > 1; delete from history_head");
  await change(first);
  for (let n = 0; n < 2; n += 1) expect(await note(seen)).toBeNull();
  const events = await store.events.list({ types: ["store.rolledBack"], limit: 9 });
  expect(events.map(({ detail }) => detail.number)).toEqual([2]);
  // Also for `renewd audit verify`.
  expect(await readMark(directory)).toEqual(seen);
});

test("goes on from what is there once somebody has accepted that the noted event is gone", async () => {
  await append();
  await append();
  const lost = await note();
  using database = new DatabaseSync(join(directory, "renewd.db"));
  database.exec("drop trigger events_no_delete; delete from events; delete from history_head");
  expect(await note()).toBeNull();
  const { notices } = await statusReport(store, [], systemClock.now());
  expect(notices).toContainEqual(expect.objectContaining({ id: "history/store.rolledBack", needsPerson: true }));
  const vault = await openVault({ file: join(directory, "master.key") });
  const noted = await readMark(directory);
  await acceptStore(
    { kind: "sqlite", file: join(directory, "renewd.db") },
    vault,
    {
      audit: { noted: noted === null ? [] : [noted], now: systemClock.now() },
      acceptance: { by: "anna", reason: "the disk was replaced", worker: "test/2", clock: systemClock },
    },
    new AbortController().signal,
  );
  const [accepted] = await store.events.list({ types: ["history.accepted"], limit: 2 });
  expect(accepted?.detail).toMatchObject({ heads: [lost], by: "anna", reason: "the disk was replaced" });
  expect(await note()).toMatch(/^2:/);
  expect(await readMark(directory)).toEqual(await store.events.mark());
  const after = await statusReport(store, [], systemClock.now());
  expect(after.notices.map(({ id }) => id)).not.toContain("history/store.rolledBack");
});

test("what is deleted in the first seconds of an installation was noted before", async () => {
  const history = watchHistory({ store, log, clock: systemClock }, directory);
  await append();
  await until("the first event to be noted", () => readMark(directory), 5_000);
  await history.close();
});

test("a file that is something else is refused with its path", async () => {
  await writeFile(join(directory, "history.head"), "{}");
  await expect(note()).rejects.toMatchObject({
    code: "store.altered",
    message: expect.stringContaining(join(directory, "history.head")),
  });
});
