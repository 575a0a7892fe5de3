import { sql } from "kysely";
import { RenewalError } from "../domain/errors.ts";
import { ACTIVE_STATES } from "../domain/renewal.ts";
import { accountKeyIdentity, pendingKeyIdentity } from "./queries/accounts.ts";
import { orderIdentity, renewalKeyIdentity } from "./queries/renewals.ts";
import { ERASED } from "./queries/retention.ts";
import { versionKeyIdentity } from "./queries/versions.ts";
import type { Db } from "./schema.ts";
import type { Vault } from "./vault.ts";

const PAGE_ROWS = 500;

/** Rows that hold a sealed value which does not open as theirs: somebody replaced it. Named as in `auditRows`. */
export async function* auditSecrets(db: Db, vault: Vault): AsyncGenerator<string> {
  const opens = (identity: string, sealed: string | null): boolean =>
    sealed === null || canOpen(vault, identity, sealed);
  for await (const { certificate, generation, sealedKey } of versionKeys(db))
    if (sealedKey !== ERASED && !opens(versionKeyIdentity(certificate, generation), sealedKey))
      yield `versions ${certificate} ${generation}`;
  const accounts = db.selectFrom("accounts").select(["issuer", "directory", "sealedKey", "sealedPendingKey"]);
  for (const { issuer, directory, sealedKey, sealedPendingKey } of await accounts.execute()) {
    const isWhole = opens(accountKeyIdentity(issuer, directory), sealedKey);
    if (!isWhole || !opens(pendingKeyIdentity(issuer, directory), sealedPendingKey))
      yield `accounts ${issuer} ${directory}`;
  }
  // Orders of renewals that have ended are of no use to anybody.
  const renewals = db.selectFrom("renewals").select(["id", "sealedKey", "orderUrl", "csr"]);
  for (const { id, sealedKey, orderUrl, csr } of await renewals.where("state", "in", ACTIVE_STATES).execute()) {
    const isWhole = opens(renewalKeyIdentity(id), sealedKey) && opens(orderIdentity(id, "url"), orderUrl);
    if (!isWhole || !opens(orderIdentity(id, "csr"), csr)) yield `renewals ${id}`;
  }
}

interface VersionKey {
  readonly certificate: string;
  readonly generation: number;
  readonly sealedKey: string;
}

async function* versionKeys(db: Db): AsyncGenerator<VersionKey> {
  const keys = db.selectFrom("versions").select(["certificate", "generation", "sealedKey"]);
  for (let last: VersionKey | undefined, full = true; full; ) {
    const after = sql<boolean>`(certificate, generation) > (${last?.certificate}, ${last?.generation})`;
    const page = last === undefined ? keys : keys.where(after);
    const rows = await page.orderBy("certificate").orderBy("generation").limit(PAGE_ROWS).execute();
    yield* rows;
    last = rows.at(-1);
    full = rows.length === PAGE_ROWS;
  }
}

function canOpen(vault: Vault, identity: string, sealed: string): boolean {
  try {
    vault.open(identity, sealed);
    return true;
  } catch (thrown) {
    if (thrown instanceof RenewalError && thrown.code === "store.sealed") return false;
    throw thrown;
  }
}
