import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe } from "vitest";
import type { Store } from "../../src/domain/store.ts";
import { openStore, openVault, type StoreOptions, type Vault } from "../../src/store/index.ts";
import { auditRowTests } from "../store/auditRowTests.ts";
import { auditTests } from "../store/auditTests.ts";
import { certificateAndVersionTests } from "../store/certificateTests.ts";
import { cursorTests } from "../store/cursorTests.ts";
import { definitionTests } from "../store/definitionTests.ts";
import { deploymentAndObservationTests } from "../store/deploymentTests.ts";
import { dnsTests } from "../store/dnsTests.ts";
import { historySearchTests } from "../store/historySearchTests.ts";
import { historyTests } from "../store/historyTests.ts";
import { inventoryTests } from "../store/inventoryTests.ts";
import { ledgerTests } from "../store/ledgerTests.ts";
import { processTests } from "../store/processTests.ts";
import { putBackTests } from "../store/putBackTests.ts";
import { renewalFactsTests } from "../store/renewalFactsTests.ts";
import { renewalInfoTests } from "../store/renewalInfoTests.ts";
import { renewalTests } from "../store/renewalTests.ts";
import { replacementTests } from "../store/replacementTests.ts";
import { retentionTests } from "../store/retentionTests.ts";
import { sealedStateTests } from "../store/sealedStateTests.ts";
import { sealTests } from "../store/sealTests.ts";
import { totalsTests } from "../store/totalsTests.ts";
import { watchedTests } from "../store/watchedTests.ts";

/** An empty database of one dialect, and the ways around the store that tests need. */
export interface StoreBackend {
  readonly options: StoreOptions;
  /** Runs SQL behind the store's back. */
  run(sql: string): Promise<void>;
  /** Everything the database holds, as text to search in. */
  dump(): Promise<string>;
  /** SQL that makes every insert into `table` fail from now on. */
  failInserts(table: string): string;
  /** The test is over and its stores are closed. */
  giveBack?(): Promise<void>;
}

/** What each test gets: a fresh database, and stores that are closed after it. */
export interface StoreBench {
  readonly backend: StoreBackend;
  readonly store: Store;
  readonly vault: Vault;
  readonly masterKeyFile: string;
  /** Another connection to the same database, as another process would have. */
  another(worker?: string): Promise<Store>;
}

/** Every dialect passes this. `createBackend` makes an empty database in the given temporary directory. */
export function storeConformance(dialect: string, createBackend: (directory: string) => Promise<StoreBackend>): void {
  describe(`a store on ${dialect}`, () => {
    let directory: string;
    let masterKeyFile: string;
    let vault: Vault;
    let backend: StoreBackend;
    let stores: Store[] = [];

    const another = async (worker = "test/1"): Promise<Store> => {
      const store = await openStore(backend.options, vault, worker);
      stores.push(store);
      return store;
    };
    let store: Store;

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "renewd-store-"));
      masterKeyFile = join(directory, "master.key");
      vault = await openVault({ file: masterKeyFile });
    });
    beforeEach(async () => {
      backend = await createBackend(await mkdtemp(join(directory, "database-")));
      store = await another();
    });
    afterEach(async () => {
      await Promise.all(stores.map((open) => open.close()));
      stores = [];
      await backend.giveBack?.();
    });
    afterAll(() => rm(directory, { recursive: true, force: true }));

    const bench = (): StoreBench => ({ backend, store, vault, masterKeyFile, another });
    certificateAndVersionTests(bench);
    renewalTests(bench);
    renewalFactsTests(bench);
    deploymentAndObservationTests(bench);
    dnsTests(bench);
    inventoryTests(bench);
    renewalInfoTests(bench);
    historyTests(bench);
    auditTests(bench, dialect);
    auditRowTests(bench, dialect);
    putBackTests(bench, dialect);
    ledgerTests(bench);
    historySearchTests(bench);
    replacementTests(bench);
    cursorTests(bench);
    totalsTests(bench);
    watchedTests(bench);
    definitionTests(bench);
    sealTests(bench);
    sealedStateTests(bench);
    retentionTests(bench, dialect);
    processTests(bench);
  });
}
