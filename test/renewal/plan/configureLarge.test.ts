import { expect, test } from "vitest";
import type { Store } from "../../../src/domain/store.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { modelCertificate, Workbench } from "../../support/model/workbench.ts";

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
