// The process that records an outcome claims what follows in the same transaction, where its own workers have room.
import { expect, it } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

/** Planned, with its issue job in the queue. */
async function planned(patch: Partial<Certificate> = {}): Promise<Workbench> {
  const bench = await Workbench.open([modelCertificate("www", patch)]);
  bench.hasRoom = true;
  await bench.begin();
  return bench;
}

const story = async ({ store }: Workbench): Promise<string[]> =>
  (await store.events.list({ certificate: "www", limit: 40 })).map(({ type }) => type);

it("goes from its order to its proof with one job of the queue", async () => {
  await using bench = await planned();
  expect(bench.jobs.map(({ kind }) => kind)).toEqual(["issue"]);
  await bench.work();
  expect(bench.jobs).toEqual([]);
  expect(await bench.store.deployments.list("www")).toMatchObject([{ openClaims: 1 }, { openClaims: 1 }]);
  for (const target of ["first", "last"]) {
    expect((await bench.renewal("www")).state, target).toBe("deploying");
    await bench.begun.shift()?.();
  }
  expect(bench.jobs).toEqual([]);
  expect(await bench.renewal("www")).toMatchObject({ state: "verifying", openClaims: 1 });
  await bench.begun.shift()?.();
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", openClaims: 0, leaseUntil: null });
  const types = await story(bench);
  for (const type of ["deploy.started", "deploy.succeeded"])
    expect(types.filter((each) => each === type)).toHaveLength(2);
  expect(types.filter((type) => type === "verify.started")).toHaveLength(1);
  expect(await bench.audit()).toMatchObject({ code: 0 });
});

it("is taken over when its process dies right after the commit, at the deployment and at the proof", async () => {
  await using bench = await planned();
  await bench.work();
  for (const dies of ["deploying", "verifying"]) {
    expect((await bench.renewal("www")).state).toBe(dies);
    bench.begun.length = 0;
    await sweep(bench.context, NO_SIGNAL);
    // The lease lasts.
    expect([bench.jobs, bench.begun]).toEqual([[], []]);
    bench.now += bench.context.settings.leaseMs + bench.context.settings.requeueMs;
    bench.hasRoom = false;
    await sweep(bench.context, NO_SIGNAL);
    bench.hasRoom = true;
    await bench.work(dies === "deploying" ? "verify" : null);
  }
  expect(bench.jobs).toEqual([]);
  for (const work of bench.begun.splice(0)) await work();
  expect((await bench.renewal("www")).state).toBe("succeeded");
  expect(await bench.store.versions.list("www")).toHaveLength(1);
});

it("leaves the room of a transaction that was not committed, and of one that runs again", async () => {
  await using bench = await planned();
  const { store } = bench.context;
  let left = 0;
  const leave = (): void => {
    left += 1;
  };
  const room = { begin: () => expect.unreachable("nothing was committed"), leave };
  let runs = 0;
  const failing: Context["store"] = {
    ...store,
    transaction: (work) =>
      store.transaction(async (tx) => {
        const result = await work(tx);
        if ((await tx.versions.latest("www")) === null) return result;
        runs += 1;
        if (runs === 1) await work(tx).catch(() => {});
        throw new Error("the disk is full");
      }),
  };
  const [job] = bench.jobs;
  await expect(
    issue({ ...bench.context, store: failing, rooms: { deploy: () => room } }, job?.renewalId ?? "", NO_SIGNAL),
  ).rejects.toThrow("the disk is full");
  expect([runs, left]).toEqual([1, 2]);
  expect(await store.versions.latest("www")).toBeNull();
});

it("goes through the queue where nobody has room", async () => {
  await using bench = await planned();
  bench.hasRoom = false;
  await bench.work("deploy");
  expect(bench.jobs.map(({ kind }) => kind)).toEqual(["deploy", "deploy"]);
  await bench.work();
  expect(bench.begun).toEqual([]);
  expect((await bench.renewal("www")).state).toBe("succeeded");
});
