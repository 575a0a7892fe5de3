// A worker that loses only PostgreSQL: the network says nothing, Redis goes on.
import { expect, it } from "vitest";
import { jobWorker } from "../../src/compose/jobWorker.ts";
import { watchLoad } from "../../src/compose/load.ts";
import { Secret } from "../../src/domain/secret.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { OwedClaims } from "../../src/renewal/owedClaims.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { issue } from "../../src/renewal/steps/issue.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { startTcpProxy } from "../drills/tcpProxy.ts";
import { configured, Fleet } from "../support/model/fleet.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { startRedis } from "../support/servers/redis.ts";
import { until } from "../support/until.ts";

const NO_SIGNAL = new AbortController().signal;
const LEASE_MS = 1_500;

it("gives up a claim within its lease, puts the job back, takes no more, and goes on when the database answers", async () => {
  await using postgres = await startPostgres();
  await using server = await startRedis();
  await using proxy = await startTcpProxy(postgres.port);
  const url = (await postgres.createMigratedDatabase()).reveal().replace(`:${postgres.port}/`, `:${proxy.port}/`);
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  const store = await openStore(
    { kind: "postgresql", url: new Secret(url), answerTimeoutMs: LEASE_MS },
    vault,
    "test/1",
  );
  await using fleet = new Fleet(store, () => store.close());
  const process = fleet.process(configured("1"));
  const context = {
    ...process,
    owedClaims: new OwedClaims(),
    log: { ...process.log, error: () => {} },
    settings: { ...process.settings, leaseMs: LEASE_MS },
  };
  await configure(context, NO_SIGNAL);
  await planDue(context, NO_SIGNAL);
  const { id } = (await store.renewals.active("www")) ?? expect.unreachable();

  const redis = { kind: "single", url: server.url } as const;
  const queue = openJobQueue(redis);
  const load = watchLoad({ leaseMs: LEASE_MS, log: context.log, onChange: () => {} });
  const begun: number[] = [];
  const ended: number[] = [];
  proxy.freeze();
  const worker = jobWorker({ context, redis, load, useful: () => {} }, "issue", 2, async (job, signal) => {
    begun.push(performance.now());
    await issue(context, job.renewalId, signal).finally(() => ended.push(performance.now()));
  });
  try {
    await queue.enqueue([{ kind: "issue", renewalId: id, generation: 1, fence: 0, priority: 5 }]);
    await until("the claim to be given up", async () => ended[0] ?? null);
    expect((ended[0] ?? 0) - (begun[0] ?? 0)).toBeLessThan(LEASE_MS + 1_000);
    await until("the job to be back", async () =>
      (await server.command("ZCARD", "{renewd}:issue:prioritized")) === "1" ? true : null,
    );
    expect(await server.command("LLEN", "{renewd}:issue:active")).toBe("0");
    expect(begun, "it rests: nothing is taken meanwhile").toHaveLength(1);
    proxy.thaw();
    await until("the certificate", () => store.versions.latest("www"));
    expect(await store.renewals.get(id)).toMatchObject({ openClaims: 0 });
  } finally {
    proxy.thaw();
    await worker.close();
    load.close();
    await queue.close();
  }
}, 90_000);
