import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/domain/store.ts";
import { copyStore, openStore, openVault, type StoreOptions, type Vault } from "../../src/store/index.ts";
import { createAccount } from "../support/model/accounts.ts";
import { certificate, endpointStatus, NOW, renewal, version } from "../support/model/facts.ts";
import { type Postgres, startPostgres } from "../support/servers/postgres.ts";
import { fillWatched } from "./watchedTests.ts";

/** More than one page of rows, so that paging is seen to go on. */
const EVENTS = 1_203;

describe("copying a store", () => {
  let postgres: Postgres;
  let directory: string;
  let vault: Vault;
  beforeAll(async () => {
    postgres = await startPostgres();
    directory = await mkdtemp(join(tmpdir(), "renewd-copy-"));
    vault = await openVault({ file: join(directory, "master.key") });
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const sqlite = (name: string): StoreOptions => ({ kind: "sqlite", file: join(directory, name) });
  const postgresql = async (): Promise<StoreOptions> => ({ kind: "postgresql", url: await postgres.createDatabase() });

  async function withStore<T>(options: StoreOptions, work: (store: Store) => Promise<T>): Promise<T> {
    const store = await openStore(options, vault, "test/1");
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  const event = (n: number) =>
    ({ at: NOW + n, type: "issue.started", certificate: "www", renewalId: "r", target: null, detail: { n } }) as const;

  const fill = (options: StoreOptions) =>
    withStore(options, (store) =>
      store.transaction(async (tx) => {
        await tx.certificates.sync([certificate({ name: "www" }), certificate({ name: "api" })], NOW);
        await tx.versions.insert(version(), new Secret("certificate key"));
        await tx.renewals.insert(renewal({ id: "r" }));
        await tx.renewals.saveOrderState("r", 0, {
          privateKey: new Secret("order key"),
          orderUrl: "https://ca.example/order/1",
        });
        await tx.deployments.want("www", ["lb", "cdn"], 1);
        await tx.deployments.update("www", "lb", 0, { receipt: { arn: "arn" }, exhausted: true });
        const observation = {
          address: "::1",
          port: 443,
          sni: "www",
          at: NOW,
          durationMs: 1,
          served: null,
          problem: null,
        };
        await tx.observations.record(endpointStatus({ endpoint: "e" }), [observation]);
        await tx.renewals.occupy("scope", "r", NOW);
        await fillWatched(tx);
        await tx.definitions.write([{ name: "shop", definition: {} }], { seen: 0, at: NOW, by: "alice" });
        await tx.renewalInfos.watch("www", 1, NOW);
        const { thumbprint } = await createAccount(tx);
        await tx.challenges.put("token", `token.${thumbprint}`, Date.now() + 60_000);
        for (let n = 0; n < EVENTS; n += 1) await tx.events.append(event(n));
      }),
    );

  const contents = (options: StoreOptions) =>
    withStore(options, async (store) => ({
      certificates: await store.certificates.list(),
      versions: await store.versions.listLatest(),
      key: (await store.versions.privateKey("www", 1)).reveal(),
      renewals: await store.renewals.list({ limit: 9 }),
      orderKey: (await store.renewals.orderState("r")).privateKey?.reveal(),
      orderUrl: (await store.renewals.orderState("r")).orderUrl,
      deployments: await store.deployments.listAll(),
      statuses: await store.observations.allStatuses(),
      observations: await store.observations.observations("www"),
      renewalInfos: await store.renewalInfos.list(),
      account: (await store.accounts.get("ca", "https://ca.example/dir"))?.privateKey.reveal(),
      challenge: await store.challenges.get("token"),
      watched: await store.watched.list(),
      definitions: await store.definitions.list(),
      served: await Promise.all(
        (await store.served.places({ name: "www.example.org", port: null }, 9)).map(({ key }) =>
          store.served.changes(key, { limit: 9 }),
        ),
      ),
      events: await store.events.list({ limit: 2 * EVENTS }),
    }));

  test("brings everything from SQLite to PostgreSQL and back, and history goes on where it was", async () => {
    const [first, second, third] = [sqlite("first.db"), await postgresql(), sqlite("third.db")];
    await fill(first);
    const copied = await copyStore(first, second, vault);
    expect(copied).toMatchObject({
      certificates: 2,
      versions: 1,
      renewals: 1,
      deployments: 2,
      observations: 1,
      events: EVENTS + 1,
      accounts: 1,
    });
    const before = await contents(first);
    expect(before.events).toHaveLength(EVENTS + 1);
    expect(before.served).toMatchObject([[{ since: NOW }]]);
    expect(await contents(second)).toEqual(before);
    await copyStore(second, third, vault);
    expect(await contents(third)).toEqual(before);
    for (const options of [first, second, third]) {
      await withStore(options, async (store) => {
        await store.events.append(event(EVENTS));
        expect(await store.events.list({ limit: 1 })).toMatchObject([{ seq: EVENTS + 2, detail: { n: EVENTS } }]);
      });
    }
  });

  test("refuses a destination that already holds something, and leaves it as it is", async () => {
    const [source, destination] = [sqlite("full.db"), await postgresql()];
    await fill(source);
    await withStore(destination, (store) =>
      store.accounts.create("ca", "https://other.example/dir", new Secret("mine")),
    );
    const refused = copyStore(source, destination, vault);
    await expect(refused).rejects.toMatchObject({
      code: "request.invalid",
      message: expect.stringContaining('"events" has rows'),
    });
    await withStore(destination, async (store) => {
      expect(await store.certificates.list()).toEqual([]);
      expect((await store.accounts.get("ca", "https://other.example/dir"))?.privateKey.reveal()).toBe("mine");
    });
  });

  test("refuses a source that another master key has sealed", async () => {
    const source = sqlite("foreign.db");
    await fill(source);
    const other = await openVault({ file: join(directory, "other.key") });
    await expect(copyStore(source, sqlite("never.db"), other)).rejects.toMatchObject({ code: "store.sealed" });
  });

  test.each([
    ["SQLite", async () => sqlite("used.db")],
    ["PostgreSQL", postgresql],
  ])("that must be unused is refused while others are connected to %s or hold a lease", async (_, create) => {
    const source = await create();
    const move = () => copyStore(source, sqlite(`moved-${source.kind}.db`), vault, { unused: { now: NOW } });
    await withStore(source, async (store) => {
      await store.renewals.insert(renewal({ id: "r" }));
      await store.renewals.claim("r", NOW, 1_000);
      await expect(move()).rejects.toMatchObject({
        code: "request.invalid",
        message: expect.stringContaining("other renewd processes have it open"),
      });
    });
    // PostgreSQL ends a connection's process a moment after its client has gone.
    const refused = () => move().catch((error: Error) => error.message);
    await expect.poll(refused, { timeout: 20_000 }).toContain("1 lease is held by workers");
    const later = copyStore(source, sqlite(`moved-${source.kind}.db`), vault, { unused: { now: NOW + 1_000 } });
    expect(await later).toMatchObject({ renewals: 1 });
  });

  test("of an empty store is an empty store that works", async () => {
    const destination = await postgresql();
    await copyStore(sqlite("empty.db"), destination, vault);
    await withStore(destination, async (store) => {
      await store.events.append(event(1));
      expect(await store.events.list({ limit: 9 })).toMatchObject([{ seq: 1 }]);
    });
  });
});
