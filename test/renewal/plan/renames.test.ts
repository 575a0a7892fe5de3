import { afterEach, beforeEach, expect, test } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { isFirstRun } from "../../../src/renewal/plan/firstRun.ts";
import { decisionsOf } from "../../../src/reports/decisions.ts";
import { modelCertificate, Workbench } from "../../support/model/workbench.ts";

const OLD = modelCertificate("old", { targets: ["a"] });

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open([OLD]);
  await bench.begin();
  await bench.work();
  expect((await bench.renewal("old")).state).toBe("succeeded");
  bench.now += 60_000;
});
afterEach(() => bench[Symbol.asyncDispose]());

async function renamedTo(patch: Partial<Certificate>): Promise<Certificate> {
  const certificate = { ...OLD, name: "new", ...patch };
  bench.certificates = [certificate];
  await bench.begin();
  await bench.work();
  return certificate;
}

test("a renamed certificate keeps its pair: deployed under the new name and proved, nothing is ordered", async () => {
  const orders = bench.ca.orders;
  await renamedTo({ targets: ["b"] });
  const [before, after] = [await bench.store.versions.latest("old"), await bench.store.versions.latest("new")];
  expect(after?.leaf.fingerprint).toBe(before?.leaf.fingerprint);
  expect(bench.ca.orders).toBe(orders);
  expect(bench.target("b").fingerprint).toBe(before?.leaf.fingerprint);
  expect(await bench.store.events.list({ certificate: "new", types: ["version.renamed"], limit: 10 })).toMatchObject([
    { detail: { from: "old", generation: 1 } },
  ]);
  const decisions = async (certificate: string) =>
    (await decisionsOf(bench.store, { certificate, since: null, limit: 10 })).map(({ what }) => what);
  expect(await decisions("old")).toEqual([
    "left the configuration",
    "was renamed to new, which keeps its pair of generation 1",
  ]);
  expect(await decisions("new")).toContainEqual(expect.stringContaining("takes over generation 1 of old"));
});

test.each([
  ["other names", { identifiers: [{ type: "dns", value: "other.example.org" }] }],
  ["another key type", { keyType: "rsa-2048" }],
] as const)("%s are no rename: a new certificate is ordered", async (_, patch) => {
  await renamedTo(patch);
  expect(await bench.store.events.list({ certificate: "new", types: ["version.renamed"], limit: 10 })).toEqual([]);
  expect((await bench.renewal("new")).reason).toBe("missing");
});

test.each([
  ["row", "update versions set key_type = 'rsa-2048'"],
  ["key", "update versions set sealed_key = replace(sealed_key, substr(sealed_key, -6, 1), '!')"],
])(
  "a pair whose %s was altered is not taken over: the new name is ordered, and the planner goes on",
  async (_, sql) => {
    bench.sql(sql);
    await renamedTo({ targets: ["b"] });
    expect(await isFirstRun(bench.context)).toBe(false);
    expect((await bench.renewal("new")).reason).toBe("missing");
  },
);

test("while both are configured neither takes the other's pair", async () => {
  bench.certificates = [OLD, { ...OLD, name: "new", targets: ["b"] }];
  await bench.begin();
  await bench.work();
  expect((await bench.renewal("new")).reason).toBe("missing");
});
