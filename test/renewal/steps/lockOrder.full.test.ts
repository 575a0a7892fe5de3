// Rows are locked in one order, on the database that locks them one by one.
import { Client } from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { configured, Fleet } from "../../support/model/fleet.ts";
import { type Postgres, startPostgres } from "../../support/servers/postgres.ts";
import { until } from "../../support/until.ts";

const NO_SIGNAL = new AbortController().signal;

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

async function openFleet() {
  await using opened = new AsyncDisposableStack();
  const url = await postgres.createDatabase();
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  const store = await openStore({ kind: "postgresql", url, poolMax: 4 }, vault, "test");
  const fleet = opened.use(new Fleet(store, () => store.close()));
  const client = new Client({ connectionString: url.reveal() });
  await client.connect();
  opened.defer(() => client.end());
  const somebodyWaits = (): Promise<unknown> =>
    until("somebody waits for a lock", async () => {
      const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      return (await client.query(waiting)).rowCount || null;
    });
  const stack = opened.move();
  return { store, fleet, client, somebodyWaits, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

it("a reload that finds a renewal ending waits for it: neither is ended by the database", async () => {
  await using bench = await openFleet();
  const { store, fleet, client, somebodyWaits } = bench;
  const worker = fleet.process(configured("1"));
  await configure(worker, NO_SIGNAL);
  await planDue(worker, NO_SIGNAL);
  await fleet.work(worker);
  const [{ id } = expect.unreachable()] = await store.renewals.list({ limit: 1 });
  await client.query("update deployments set target_digest = null");

  const holds = Promise.withResolvers<void>();
  let endings = 0;
  const ending = store.transaction(async (tx) => {
    endings += 1;
    await tx.renewals.lock(id);
    const [row = expect.unreachable()] = await tx.deployments.list("www");
    await tx.deployments.update("www", row.target, row.fence, {});
    holds.resolve();
    await somebodyWaits();
    await tx.certificates.update("www", { nextCheckAt: fleet.now });
  });
  await holds.promise;
  const reloading = fleet.process(configured("2"));
  let reloads = 0;
  const channels = (): ReturnType<typeof reloading.services.channels> => {
    reloads += 1;
    return new Map();
  };
  await Promise.all([configure({ ...reloading, services: { ...reloading.services, channels } }, NO_SIGNAL), ending]);
  expect({ endings, reloads }).toEqual({ endings: 1, reloads: 1 });
}, 60_000);

it("of two transactions that wait for each other the one that the database ends is run again", async () => {
  await using bench = await openFleet();
  const { store, fleet } = bench;
  const names = ["a", "b"];
  const worker = fleet.process(...names.map((name) => ({ ...configured("1"), name })));
  await configure(worker, NO_SIGNAL);
  const both = Promise.withResolvers<void>();
  let [runs, holding] = [0, 0];
  const crosswise = ([first = "", second = ""]: readonly string[]): Promise<void> =>
    store.transaction(async (tx) => {
      runs += 1;
      await tx.certificates.update(first, { failures: 7 });
      holding += 1;
      if (holding === names.length) both.resolve();
      await both.promise;
      await tx.certificates.update(second, { failures: 7 });
    });
  await Promise.all([crosswise(names), crosswise(names.toReversed())]);
  expect(runs).toBe(3);
  expect((await store.certificates.list()).map(({ failures }) => failures)).toEqual([7, 7]);
}, 60_000);

it("a deployer's outcome is written although somebody wants the deployments again just then", async () => {
  await using bench = await openFleet();
  const { store, fleet, somebodyWaits } = bench;
  const www = configured("1");
  const worker = fleet.process(www);
  await configure(worker, NO_SIGNAL);
  await planDue(worker, NO_SIGNAL);
  await fleet.work(worker, "deploy");
  const { id, generation } = (await store.renewals.active("www")) ?? expect.unreachable();

  const [locked, deployed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  fleet.onDeploy = async () => {
    deployed.resolve();
    await locked.promise;
  };
  const wanting = store.transaction(async (tx) => {
    await deployed.promise;
    await tx.renewals.lock(id);
    locked.resolve();
    await somebodyWaits();
    await tx.deployments.want("www", www.targets, generation);
  });
  const [job] = fleet.jobs;
  fleet.jobs = job ? [job] : [];
  await Promise.all([wanting, fleet.work(worker, "verify")]);
  expect(await store.deployments.get("www", "a")).toMatchObject({
    deployedGeneration: generation,
    leaseUntil: null,
    openClaims: 0,
  });
}, 60_000);
