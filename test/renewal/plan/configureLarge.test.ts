import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import type { RevocationLists } from "../../../src/domain/revocation.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { NAMES_MAX, type Store } from "../../../src/domain/store.ts";
import { canonicalSerial } from "../../../src/domain/version.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { isFirstRun } from "../../../src/renewal/plan/firstRun.ts";
import { findRenames } from "../../../src/renewal/plan/renames.ts";
import { draftReplacement } from "../../../src/renewal/plan/replacement.ts";
import { markRestored } from "../../../src/renewal/plan/restoreCheck.ts";
import { boundInstants } from "../../../src/renewal/watch/boundInstants.ts";
import { checkRevocations } from "../../../src/renewal/watch/revocations.ts";
import { weekReport } from "../../../src/reports/week.ts";
import { DAY_MS, version } from "../../support/model/facts.ts";
import { modelCertificate, Workbench } from "../../support/model/workbench.ts";

afterEach(() => vi.restoreAllMocks());

const NEVER = new AbortController().signal;

test("a reload that changes nothing reads no deployment and writes none", async () => {
  const certificates = [modelCertificate("www", {}), modelCertificate("api", {})];
  await using bench = await Workbench.open(certificates);
  await bench.begin();
  await bench.work();
  expect((await bench.store.deployments.listAll()).every(({ deployedGeneration }) => deployedGeneration === 1)).toBe(
    true,
  );
  const read: string[] = [];
  const watched = (store: Store): Store => ({
    ...store,
    deployments: {
      ...store.deployments,
      listAll: async (names) => {
        const rows = await store.deployments.listAll(names);
        read.push(...rows.map(({ certificate }) => certificate));
        return rows;
      },
    },
    transaction: (work) => store.transaction((tx) => work(watched(tx))),
  });
  const before = await bench.store.deployments.listAll();
  await configure({ ...bench.context, store: watched(bench.store) }, NEVER);
  expect(read).toEqual([]);
  expect(await bench.store.deployments.listAll()).toEqual(before);
});

test("neither a start that changes nothing nor the hourly check reads the latest versions of all at once", async () => {
  await using bench = await Workbench.open([modelCertificate("www", {}), modelCertificate("api", {})]);
  await bench.begin();
  await bench.work();
  const asked: (readonly string[] | undefined)[] = [];
  const store: Store = {
    ...bench.store,
    versions: {
      ...bench.store.versions,
      listLatest: async (onUnreadable, names) => {
        asked.push(names);
        return bench.store.versions.listLatest(onUnreadable, names);
      },
    },
  };
  expect(await isFirstRun({ store })).toBe(false);
  await configure({ ...bench.context, store }, NEVER);
  expect(asked).toEqual([]);
  await boundInstants({ ...bench.context, store }, NEVER);
  expect(asked).toEqual([["www", "api"]]);
});

test("nothing reads the latest versions of a large fleet at once", async () => {
  const names = Array.from({ length: NAMES_MAX + 2 }, (_, index) => `c${index}`);
  await using bench = await Workbench.open(names.map((name) => modelCertificate(name)));
  await configure(bench.context, NEVER);
  const { notBefore } = version().leaf;
  await bench.store.transaction(async (tx) => {
    for (const [index, certificate] of names.entries()) {
      const leaf = { ...version().leaf, serial: `0${index}`, notAfter: bench.now + DAY_MS, notBefore };
      await tx.versions.insert(version({ certificate, leaf, issuer: "imported" }), new Secret("key"));
    }
  });
  const asked: number[] = [];
  const watched = (store: Store): Store => ({
    ...store,
    versions: {
      ...store.versions,
      async listLatest(onUnreadable, of = expect.unreachable()) {
        asked.push(of.length);
        return store.versions.listLatest(onUnreadable, of);
      },
    },
  });
  const context = { ...bench.context, store: watched(bench.store) };
  const fetched: number[] = [];
  const lists: RevocationLists = {
    urlsOf: ({ leaf }) => [leaf.serial === "00" ? "first" : "others"],
    async fetch(_, versions) {
      fetched.push(versions.length);
      return new Map();
    },
  };
  await checkRevocations(context, lists, NEVER);
  expect(fetched).toEqual([1, names.length - 1]);
  const serials = new Set(["00", "0501", "0777"].map(canonicalSerial));
  const asks = { described: "some", issuer: null, deadline: bench.now, waves: [] };
  const { members, unknownSerials } = await draftReplacement(context, { ...asks, selection: { serials } });
  expect(members.map(({ certificate }) => certificate.name)).toEqual(["c0", "c501"]);
  expect(unknownSerials).toEqual([canonicalSerial("0777")]);
  expect((await weekReport(context.store, bench.certificates, bench.now, bench.now)).expiresNext.count).toBe(
    names.length,
  );
  expect(await isFirstRun(context)).toBe(true);
  expect(await findRenames(context.store, ["c0"], bench.certificates, bench.now)).toEqual(new Map());
  await bench.store.transaction((tx) => markRestored(watched(tx), bench.now, bench.now));
  expect((await bench.store.certificates.get("c501"))?.generationFloor).toBe(1_001);
  expect(Math.max(...asked)).toBe(NAMES_MAX);
  expect(asked.length).toBeGreaterThan(10);
});

function many(count: number) {
  return Array.from({ length: count }, (_, index) => modelCertificate(`c${index}`));
}

test("a first configuration asks the database twice more for each further hundred of certificates, and no more", async () => {
  const asked: number[] = [];
  for (const count of [40, 400]) {
    await using bench = await Workbench.open(many(count));
    const spies = [vi.spyOn(StatementSync.prototype, "iterate"), vi.spyOn(StatementSync.prototype, "run")];
    await configure(bench.context, NEVER);
    asked.push(spies.reduce((sum, { mock }) => sum + mock.calls.length, 0));
    vi.restoreAllMocks();
    expect(await bench.store.certificates.list()).toHaveLength(count);
    expect(await bench.store.events.list({ types: ["certificate.configured"], limit: 1_000 })).toHaveLength(count);
  }
  const [few = 0, most] = asked;
  expect(few).toBeGreaterThan(0);
  // They and their events, a hundred rows a statement: one each for 40, four for 400.
  expect(most).toBe(few + 2 * 3);
});

test("a large first configuration is written in parts, and a process that ended between them is followed by the next", async () => {
  const count = 2_200;
  await using bench = await Workbench.open(many(count));
  const ended = new AbortController();
  const configuredIn: number[] = [];
  const watched: Store = {
    ...bench.store,
    transaction: async (work) => {
      const before = (await bench.store.certificates.list()).length;
      const result = await bench.store.transaction(work);
      configuredIn.push((await bench.store.certificates.list()).length - before);
      ended.abort();
      return result;
    },
  };
  await expect(configure({ ...bench.context, store: watched }, ended.signal)).rejects.toThrow("aborted");
  expect(configuredIn).toEqual([1_000]);
  await configure(bench.context, NEVER);
  expect(await bench.store.certificates.list()).toHaveLength(count);
  const events = await bench.store.events.list({ types: ["certificate.configured"], limit: 2 * count });
  expect(events.map(({ certificate }) => certificate).sort()).toEqual(
    many(count)
      .map(({ name }) => name)
      .sort(),
  );
});

test("what left targets still hold is read once, however many certificates leave the configuration", async () => {
  await using bench = await Workbench.open(many(3));
  await bench.begin();
  await bench.work();
  bench.certificates = [];
  let lists = 0;
  const watched = (store: Store): Store => ({
    ...store,
    leftTargets: {
      ...store.leftTargets,
      async list() {
        lists += 1;
        return store.leftTargets.list();
      },
    },
    transaction: (work) => store.transaction((tx) => work(watched(tx))),
  });
  await configure({ ...bench.context, store: watched(bench.store) }, NEVER);
  expect(lists).toBe(1);
  expect(await bench.store.leftTargets.list()).toHaveLength(6);
});

test("the hourly check of instants writes no certificate that is there", async () => {
  await using bench = await Workbench.open(many(2));
  await configure(bench.context, NEVER);
  const spy = vi.spyOn(StatementSync.prototype, "iterate");
  expect(await boundInstants(bench.context, NEVER)).toBe(0);
  const texts = spy.mock.contexts.map((statement) => (statement instanceof StatementSync ? statement.sourceSQL : ""));
  expect(texts.length).toBeGreaterThan(0);
  expect(texts.filter((text) => text.startsWith('insert into "certificates"'))).toEqual([]);
});
