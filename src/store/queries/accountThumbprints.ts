import type { Secret } from "../../domain/secret.ts";
import { thumbprint } from "../../x509/jwk.ts";
import type { Db } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { accountKeyIdentity, pendingKeyIdentity } from "./accounts.ts";

/** Whether a thumbprint (RFC 7638) is of a key, or of the pending key, of any ACME account. */
export type IsOurThumbprint = (candidate: string) => Promise<boolean>;

/** Every answer to a CA asks this, so a key is opened once, and again only after its row changed. */
export function accountThumbprints(db: Db, vault: Vault): IsOurThumbprint {
  /** By what was opened; null: it does not open. */
  let known = new Map<string, string | null>();
  return async (candidate) => {
    const rows = await db
      .selectFrom("accounts")
      .select(["issuer", "directory", "sealedKey", "sealedPendingKey"])
      .execute();
    const current = new Map<string, string | null>();
    const read = (identity: string, sealed: string): void => {
      // Not by the sealed key alone: a copy of it in another row does not open.
      const cacheKey = `${identity} ${sealed}`;
      const cached = known.get(cacheKey);
      current.set(cacheKey, cached === undefined ? thumbprintOf(() => vault.open(identity, sealed)) : cached);
    };
    for (const { issuer, directory, sealedKey, sealedPendingKey } of rows) {
      read(accountKeyIdentity(issuer, directory), sealedKey);
      // During a rollover the CA may know either key.
      if (sealedPendingKey !== null) read(pendingKeyIdentity(issuer, directory), sealedPendingKey);
    }
    known = current;
    return [...current.values()].includes(candidate);
  };
}

/** null: nobody with the master key sealed this row. It must not stop the answers of the other accounts. */
function thumbprintOf(open: () => Secret): string | null {
  try {
    return thumbprint(open());
  } catch {
    return null;
  }
}
