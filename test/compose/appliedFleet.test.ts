import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openViewer, type Viewer } from "../../src/compose/viewer.ts";
import { answeredForBy, textOf } from "../../src/reports/configured.ts";
import { applyFile } from "../support/system/appliedConfiguration.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const NAMES = ["api", "mail", "shop", "www"];

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText([...NAMES].reverse()));
  await applyFile(installation);
});
afterEach(() => installation[Symbol.asyncDispose]());

const run = (sql: string): void => {
  using database = new DatabaseSync(join(installation.directory, "data", "renewd.db"));
  database.exec(sql);
};
const page = async ({ fleet }: Viewer, after: string | null, limit: number) => {
  const { certificates, next } = await fleet.page({ after, limit });
  return [certificates.map(({ name }) => name), next];
};

test("a page of a large fleet is read from what the planner has applied, as the file would give it", async () => {
  await using whole = await openViewer(installation.configFile);
  await using paged = await openViewer(installation.configFile, NAMES.length);
  expect(paged.fleet.count).toBe(NAMES.length);
  expect(await paged.fleet.all()).toEqual(
    await whole.fleet.page({ after: null, limit: 9 }).then((all) => all.certificates),
  );
  expect(paged.budget("ca")).toEqual(whole.budget("ca"));
  expect(paged.limits("lb")).toEqual(whole.limits("lb"));
  for (const viewer of [whole, paged]) {
    expect(await page(viewer, null, 3)).toEqual([["api", "mail", "shop"], "shop"]);
    expect(await page(viewer, "shop", 3)).toEqual([["www"], null]);
    expect(await page(viewer, null, 4)).toEqual([NAMES, null]);
    expect((await viewer.fleet.named(["www", "gone"])).map(({ name }) => name)).toEqual(["www"]);
    const fits = await viewer.fleet.page({ after: null, limit: 1, fits: ({ name }) => name > "m" });
    expect(fits).toMatchObject({ certificates: [{ name: "mail" }], next: "mail" });
  }
});

test.each([
  { label: "tier=gold" },
  { label: 'note=a "quoted" = b\\' },
  { label: "tier" },
  { label: "tier=none" },
  { owner: "alice" },
  { team: "web", label: "tier=gold" },
])("those that answer to %j are the same, read from the file or not", async (wish) => {
  const { certificates, ...others } = JSON.parse(configText(NAMES));
  const gold = { tier: "gold", note: 'a "quoted" = b\\' };
  Object.assign(certificates.mail, { labels: gold, owner: "alice", team: "web" });
  Object.assign(certificates.www, { labels: gold });
  Object.assign(certificates.api, {
    labels: { gold: "tier" },
    runbook: "https://example.org/tier=gold",
    team: "alice",
  });
  await writeFile(installation.configFile, JSON.stringify({ ...others, certificates }));
  await applyFile(installation);
  const wanted = { fits: answeredForBy(wish), holding: textOf(wish) };
  await using whole = await openViewer(installation.configFile);
  await using paged = await openViewer(installation.configFile, 1);
  for (const limit of [1, 2, 9])
    for (const after of [null, "mail"])
      expect(await paged.fleet.page({ after, limit, ...wanted })).toEqual(
        await whole.fleet.page({ after, limit, ...wanted }),
      );
  // Nobody hides one by taking its label away.
  run(`update applied_certificates set body = replace(body, 'gold', 'iron') where name = 'www'`);
  expect(await paged.fleet.page({ after: null, limit: 9, ...wanted })).toEqual(
    await whole.fleet.page({ after: null, limit: 9, ...wanted }),
  );
});

test("a file that says something else than the planner has applied is read itself", async () => {
  await writeFile(installation.configFile, configText(["www", "new"]));
  await using viewer = await openViewer(installation.configFile, 1);
  expect(await page(viewer, null, 9)).toEqual([["new", "www"], null]);
});

test("so is one beside definitions in the database that the planner has not applied", async () => {
  const definition = { names: ["db.test"], endpoints: ["db.test:443"] };
  const terms = { seen: 0, at: Date.now(), by: null };
  await installation.store.definitions.write([{ name: "db", definition }], terms);
  await using viewer = await openViewer(installation.configFile, 1);
  expect(await page(viewer, null, 9)).toEqual([["api", "db", ...NAMES.slice(1)], null]);
});

test.each([
  ["altered", `update applied_certificates set body = replace(body, '"www"', '"xyz"')`],
  ["turned into bytes", "update applied_certificates set body = x'ff' where name = 'mail'"],
  ["given a name of bytes", "update applied_certificates set name = x'ff' where name = 'mail'"],
  ["removed", "delete from applied_certificates where name = 'mail'"],
  ["added", "insert into applied_certificates select 'zzz', digest, body, seal from applied_certificates limit 1"],
  ["of another configuration", "update applied_configurations set body = replace(body, 'ca', 'xx')"],
])("rows that somebody else has %s are shown to nobody: the file is read", async (_, sql) => {
  run(sql);
  await using viewer = await openViewer(installation.configFile, 1);
  expect(await page(viewer, null, 9)).toEqual([NAMES, null]);
  expect((await viewer.fleet.named(["mail"])).map(({ name }) => name)).toEqual(["mail"]);
});

test("what a release has applied that said less of it is not used: the file is read", async () => {
  const { store, configFile } = installation;
  const applied = await store.applied.read();
  await store.applied.record(JSON.parse(JSON.stringify({ ...applied, uses: undefined })), []);
  expect(await store.applied.read()).toBeNull();
  await using viewer = await openViewer(configFile, 1);
  expect(await page(viewer, null, 9)).toEqual([NAMES, null]);
});

test("a page asks the database as often in a fleet of 300 certificates as in one of 100", async () => {
  const asked: number[] = [];
  for (const count of [100, 300]) {
    const names = Array.from({ length: count }, (_, index) => `c${index}`);
    await using large = await createInstallation(configText(names));
    await applyFile(large);
    const spy = vi.spyOn(StatementSync.prototype, "iterate");
    await using viewer = await openViewer(large.configFile, count);
    const { certificates, next } = await viewer.fleet.page({ after: "c2", limit: 20 });
    asked.push(spy.mock.calls.length);
    vi.restoreAllMocks();
    expect([certificates.length, certificates[0]?.name, next]).toEqual([20, "c20", certificates.at(-1)?.name]);
  }
  expect(asked[0]).toBeGreaterThan(0);
  expect(asked[1]).toBe(asked[0]);
});
