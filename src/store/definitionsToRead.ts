import type { StoredDefinitions } from "../domain/definition.ts";
import { openDatabaseOfAnyRelease, type StoreOptions } from "./database.ts";
import { checkMasterKeyFits } from "./masterKeyCheck.ts";
import { listDefinitions } from "./queries/definitions.ts";
import { blindVault, type Vault } from "./vault.ts";

const NONE: StoredDefinitions = { revision: 0, definitions: [], altered: [] };

/**
 * The certificates that the database defines, before it is opened for work: creates and changes nothing, and takes a
 * database of any release. `vault` null: no seal is checked.
 */
export async function readDefinitions(options: StoreOptions, vault: Vault | null): Promise<StoredDefinitions> {
  const { db } = await openDatabaseOfAnyRelease(options);
  try {
    const tables = await db.introspection.getTables();
    const hasTable = tables.some(({ name }) => name === "certificate_definitions" || name === "certificateDefinitions");
    // That it is another key than the database was sealed with is said by who opens it.
    const fits =
      vault !== null &&
      (await checkMasterKeyFits(db, vault).then(
        () => true,
        () => false,
      ));
    return hasTable ? await listDefinitions(db, vault !== null && fits ? vault : blindVault()) : NONE;
  } finally {
    await db.destroy();
  }
}
