import { sql } from "kysely";
import { changeSealed } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { IS_ACTIVE } from "./renewalLists.ts";

export interface Renaming {
  readonly from: string;
  readonly to: string;
  readonly directory: string;
}

/**
 * An issuer's name is a label of the account at its CA. Wherever else it was written and is still obeyed, the new name
 * takes its place: in what the account has used of its limits, in renewals in flight and in open replacements. Part of
 * the caller's transaction.
 */
export async function relabel(trx: Db, vault: Vault, renaming: Renaming): Promise<void> {
  const { from, to } = renaming;
  await moveLimits(trx, renaming);
  const renewals = trx.selectFrom("renewals").select("id").where("issuer", "=", from).where(IS_ACTIVE);
  // In an order, so that two processes cannot deadlock; by an expression, so that only the active are read.
  for (const { id } of await renewals.orderBy(sql`coalesce(id, '')`).execute())
    await changeSealed(trx, vault, { table: "renewals", key: { id } }, () =>
      trx.updateTable("renewals").set({ issuer: to }).where("id", "=", id).execute(),
    );
  const replacements = trx
    .selectFrom("replacements")
    .select("id")
    .where("issuer", "=", from)
    .where("endedAt", "is", null);
  for (const { id } of await replacements.orderBy("id").execute())
    await changeSealed(trx, vault, { table: "replacements", key: { id } }, () =>
      trx.updateTable("replacements").set({ issuer: to }).where("id", "=", id).execute(),
    );
}

/** As `charge` in renewal/rules/budget.ts names what is counted per account. */
export function accountScope(issuer: string, directory: string): string {
  return `${issuer} ${directory}`;
}

async function moveLimits(trx: Db, { from, to, directory }: Renaming): Promise<void> {
  const [before, scope] = [accountScope(from, directory), accountScope(to, directory)];
  for (const { kind, key, fullAt } of await trx
    .selectFrom("ledger")
    .selectAll()
    .where("scope", "=", before)
    .execute()) {
    await trx
      .insertInto("ledger")
      .values({ scope, kind, key, fullAt })
      .onConflict((conflict) =>
        conflict.columns(["scope", "kind", "key"]).doUpdateSet({ fullAt }).where("ledger.fullAt", "<", fullAt),
      )
      .execute();
  }
  await trx.deleteFrom("ledger").where("scope", "=", before).execute();
  await trx.updateTable("reservations").set({ scope }).where("scope", "=", before).execute();
}
