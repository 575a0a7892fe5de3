// Rows are locked in one order, on the database that locks them one by one.
import { Client } from "pg";
import { expect, it } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { configured, Fleet } from "../../support/model/fleet.ts";
import { startPostgres } from "../../support/servers/postgres.ts";
import { until } from "../../support/until.ts";

const NO_SIGNAL = new AbortController().signal;

it("a deployer's outcome is written although somebody wants the deployments anew just then", async () => {
  await using postgres = await startPostgres();
  const url = await postgres.createDatabase();
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  const store = await openStore({ kind: "postgresql", url, poolMax: 4 }, vault, "test");
  await using fleet = new Fleet(store, () => store.close());
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
  const client = new Client({ connectionString: url.reveal() });
  await client.connect();
  const wanting = store.transaction(async (tx) => {
    await deployed.promise;
    await tx.renewals.lock(id);
    locked.resolve();
    await until("the deployer waits for its turn", async () => {
      const { rowCount } = await client.query("select 1 from pg_stat_activity where wait_event_type = 'Lock'");
      return rowCount || null;
    });
    await tx.deployments.want("www", www.targets, generation);
  });
  const [job] = fleet.jobs;
  fleet.jobs = job ? [job] : [];
  await Promise.all([wanting, fleet.work(worker, "verify")]).finally(() => client.end());
  expect(await store.deployments.get("www", "a")).toMatchObject({
    deployedGeneration: generation,
    leaseUntil: null,
    openClaims: 0,
  });
}, 60_000);
