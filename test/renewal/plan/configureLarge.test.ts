import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import type { Store } from "../../../src/domain/store.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { boundInstants } from "../../../src/renewal/watch/boundInstants.ts";
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

function many(count: number) {
  return Array.from({ length: count }, (_, index) => modelCertificate(`c${index}`));
}

test("a first configuration asks the database as often for 400 certificates as for 40", async () => {
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
  expect(asked[0]).toBeGreaterThan(0);
  expect(asked[1]).toBe(asked[0]);
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
