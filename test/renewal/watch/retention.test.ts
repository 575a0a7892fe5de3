import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { applyRetention } from "../../../src/renewal/watch/retention.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { acceptStore, auditStore, openStore, openVault } from "../../../src/store/index.ts";
import { DAY_MS, NOW, version } from "../../support/model/facts.ts";

const SIGNAL = new AbortController().signal;

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-retention-"));
  const vault = await openVault({ file: join(directory, "master.key") });
  store = await openStore({ kind: "sqlite", file: join(directory, "renewd.db") }, vault, "test/1");
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const run = (now: number): Promise<void> => {
  const clock = { now: () => now };
  const clockGuard: Pick<Context["clockGuard"], "check"> = { check: async () => {} };
  return applyRetention({ store, clock, clockGuard, settings: DEFAULT_SETTINGS }, SIGNAL);
};
const pruned = async () =>
  (await store.events.list({ types: ["history.pruned"], limit: 9 })).map(({ detail }) => detail);

test("what is young stays, and nothing is written about nothing", async () => {
  await store.events.append({ ...OF, at: NOW, type: "issue.started" });
  await run(NOW + 399 * DAY_MS);
  expect((await store.events.list({ limit: 9 })).map(({ type }) => type)).toEqual(["issue.started"]);
});

test("a superseded pair loses its key a week after it expired, and its row with its last event", async () => {
  await store.transaction(async (tx) => {
    for (const generation of [1, 2]) {
      await tx.versions.insert(version({ generation, createdAt: NOW }), new Secret("the key"));
      await tx.events.append({ ...OF, at: NOW, type: "version.issued", detail: { generation } });
    }
  });
  const { notAfter } = version().leaf;
  await run(notAfter + 7 * DAY_MS - 1);
  expect((await store.versions.privateKey("www", 1)).reveal()).toBe("the key");
  await run(notAfter + 8 * DAY_MS);
  await expect(store.versions.privateKey("www", 1)).rejects.toThrow("was erased after it expired");
  expect((await store.versions.privateKey("www", 2)).reveal()).toBe("the key");
  expect(await pruned()).toEqual([{ keys: 1, events: 0, renewals: 0, versions: 0, prunedTo: 0 }]);
  await run(NOW + 401 * DAY_MS);
  expect((await store.versions.list("www")).map(({ generation }) => generation)).toEqual([2]);
  expect((await pruned()).at(-1)).toEqual({ keys: 0, events: 2, renewals: 0, versions: 1, prunedTo: 2 });
});

test("stops at an event that somebody altered, says so once, and goes on after a person has accepted it", async () => {
  for (let n = 0; n < 4; n += 1) await store.events.append({ ...OF, at: NOW, type: "issue.started" });
  const file = join(directory, "renewd.db");
  using database = new DatabaseSync(file);
  database.exec("drop trigger events_no_update; drop trigger events_no_delete");
  database.exec("update events set worker = 'x' where seq = 2; delete from events where seq = 3");
  for (const days of [401, 402]) await run(NOW + days * DAY_MS);
  const left = async () => (await store.events.list({ limit: 9 })).map(({ seq, type }) => `${seq} ${type}`);
  expect(await left()).toEqual(["2 issue.started", "4 issue.started", "5 history.pruneStopped", "6 history.pruned"]);
  const { notices } = await statusReport(store, [], NOW);
  expect(notices).toContainEqual(
    expect.objectContaining({ needsPerson: true, what: expect.stringContaining("event 2 is not as renewd wrote it") }),
  );

  const vault = await openVault({ file: join(directory, "master.key") });
  const options = { kind: "sqlite", file } as const;
  const audit = { noted: [], now: NOW };
  const clock = { now: () => NOW + 402 * DAY_MS };
  const acceptance = { by: "anna", reason: "an intern", worker: "test/2", clock };
  await acceptStore(options, vault, { audit, acceptance }, SIGNAL);
  const accepted = [{ events: ["2-2 altered", "3-3 missing"], by: "anna", reason: "an intern" }];
  expect(await auditStore(options, vault, audit, SIGNAL)).toMatchObject({ faults: [], accepted });
  expect((await statusReport(store, [], NOW)).notices.filter(({ id }) => id.startsWith("history/"))).toEqual([]);
  await run(NOW + 402 * DAY_MS);
  expect(await left()).toEqual([
    ...["5 history.pruneStopped", "6 history.pruned", "7 history.accepted", "8 history.pruned"],
  ]);
  const after = await auditStore(options, vault, audit, SIGNAL);
  expect(after).toMatchObject({ headProblem: null, faults: [], prunedTo: 4, accepted });
  database.exec("drop trigger if exists events_no_update; update events set worker = 'x' where seq = 5");
  expect((await auditStore(options, vault, audit, SIGNAL)).faults).toEqual([{ kind: "altered", from: 5, to: 5 }]);
});

test("more than one batch goes in one run", async () => {
  await store.transaction(async (tx) => {
    for (let n = 0; n < 1_200; n += 1) await tx.events.append({ ...OF, at: NOW, type: "issue.started" });
  });
  await run(NOW + 401 * DAY_MS);
  expect(await pruned()).toMatchObject([{ events: 1_199 }]);
});

const OF = { certificate: "www", renewalId: null, target: null, detail: {} };
