import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/domain/store.ts";
import { markRestored } from "../../src/renewal/plan/restoreCheck.ts";
import {
  type BackupReport,
  backupStore,
  openStore,
  openVault,
  type RestoreReport,
  restoreStore,
  type StoreOptions,
  type Vault,
} from "../../src/store/index.ts";
import { certificate, DAY_MS, NOW, renewal, version } from "../support/model/facts.ts";

/** A name that must not be readable in a backup. */
export const NAME = "planted-certificate-name";
export const RESTORED_AT = NOW + DAY_MS;
export const never = new AbortController().signal;

/** A directory and a master key of its own, and what its tests do with stores in it. */
export interface Bench extends AsyncDisposable {
  readonly vault: Vault;
  path(name?: string): string;
  sqlite(name: string): StoreOptions;
  withStore<T>(options: StoreOptions, work: (store: Store) => Promise<T>): Promise<T>;
  /** Generation 3 is live, 4 is on its way. */
  fill(options: StoreOptions): Promise<void>;
  backUp(from: StoreOptions, name?: string, replace?: boolean): Promise<BackupReport>;
  restore(
    to: StoreOptions,
    name?: string,
    options?: { readonly vault?: Vault; readonly now?: number },
  ): Promise<RestoreReport>;
}

export async function createBench(): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-backup-test-"));
  const vault = await openVault({ file: join(directory, "master.key") });
  const path = (name = "backup"): string => join(directory, name);
  const withStore: Bench["withStore"] = async (options, work) => {
    const store = await openStore(options, vault, "test/1");
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  };
  return {
    vault,
    path,
    withStore,
    sqlite: (name) => ({ kind: "sqlite", file: path(name) }),
    fill: (options) => withStore(options, (store) => store.transaction(fill)),
    backUp: (from, name, replace = false) => backupStore(from, path(name), vault, { replace, now: NOW }, never),
    restore(to, name, options = {}) {
      const mark = async (tx: Store, { createdAt }: { readonly createdAt: number }): Promise<void> => {
        await markRestored(tx, createdAt, options.now ?? RESTORED_AT);
      };
      return restoreStore(
        path(name),
        to,
        options.vault ?? vault,
        { workDirectory: path("work"), worker: "test/2", mark },
        never,
      );
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

async function fill(tx: Store): Promise<void> {
  await tx.certificates.sync([certificate({ name: NAME }), certificate({ name: "gone" })], NOW);
  await tx.certificates.sync([certificate({ name: NAME })], NOW);
  await tx.versions.insert(version({ certificate: NAME, generation: 3 }), new Secret("certificate key"));
  await tx.renewals.insert(renewal({ id: "r", certificate: NAME, generation: 4, state: "issuing" }));
  await tx.renewals.saveOrderState("r", 0, {
    privateKey: new Secret("order key"),
    orderUrl: "https://ca.example/order/1",
    csr: "csr",
  });
  await tx.deployments.want(NAME, ["lb"], 3);
  await tx.accounts.create("ca", "https://ca.example/dir", new Secret("account key"));
  await tx.events.append({
    at: NOW,
    type: "renewal.planned",
    certificate: NAME,
    renewalId: "r",
    target: null,
    detail: {},
  });
}
