import { RenewalError } from "../domain/errors.ts";
import type { Store } from "../domain/store.ts";
import { futureOption } from "../domain/writtenTime.ts";
import { ignoreFound } from "../renewal/operator/ignoreFound.ts";
import { inventoryEntry, managementIn } from "../renewal/watch/discover.ts";
import { type Adoptable, adoptFoundSnippet } from "../reports/adoptFound.ts";
import { iso } from "../reports/instant.ts";
import {
  type AdoptReport,
  type IgnoreReport,
  type InventoryKeyReport,
  type InventoryQuery,
  type InventoryReport,
  inventoryReport,
  inventoryRow,
} from "../reports/inventory.ts";
import { type ActionContext, checkedReason, type Decision } from "./context.ts";

type Reading = Pick<ActionContext, "renewal" | "estate">;

export async function listInventory({ renewal, estate }: Reading, query: InventoryQuery): Promise<InventoryReport> {
  const { inventory } = renewal.store;
  const now = renewal.clock.now();
  const { source, expiringMs } = query;
  // The database chooses what it can: of a large inventory only what is shown is read.
  const entries = await inventory.list({
    ...(source !== null && { source }),
    ...(expiringMs !== null && { endsBefore: now + expiringMs }),
  });
  const found = { entries, total: await inventory.count(), runs: await inventory.runs() };
  return inventoryReport(found, query, await managementIn(renewal.store, estate().certificates), now);
}

/** Everywhere the key of a certificate was ever seen: what a leak of it is about. */
export async function keyInInventory({ renewal, estate }: Reading, fingerprint: string): Promise<InventoryKeyReport> {
  const { store, clock } = renewal;
  const { certificate } = await inventoryEntry(renewal, fingerprint);
  const entries = await store.inventory.list({ key: certificate.key });
  const managementOf = await managementIn(renewal.store, estate().certificates);
  const now = clock.now();
  return {
    ...{ version: 1, at: iso(now), key: certificate.key },
    certificates: entries.map((entry) => inventoryRow(entry, managementOf, now)),
  };
}

export async function adoptFound(
  { store }: { readonly store: Store },
  fingerprint: string,
  config: Adoptable,
): Promise<AdoptReport> {
  const entry = await inventoryEntry({ store }, fingerprint);
  return { version: 1, fingerprint: entry.certificate.fingerprint, snippet: adoptFoundSnippet(entry, config) };
}

/** `until`: `90d`, or an instant; null: it is ignored no longer. */
export async function ignoreInventory(
  { renewal }: Pick<ActionContext, "renewal">,
  { fingerprint, until }: { readonly fingerprint: string; readonly until: string | null },
  { by, reason }: Decision,
): Promise<IgnoreReport> {
  const at = renewal.clock.now();
  const ignored =
    until === null
      ? null
      : {
          reason: checkedReason(reason),
          by,
          at,
          until: Math.min(futureOption("--until", until, at), at + IGNORED_MAX_MS),
        };
  const entry = await inventoryEntry(renewal, fingerprint);
  if (ignored === null && entry.ignored === null)
    throw new RenewalError("request.invalid", "this certificate is not ignored");
  await ignoreFound(renewal.store, entry, { ignored, by, at });
  return { version: 1, fingerprint: entry.certificate.fingerprint, until: iso(ignored?.until ?? null) };
}

/** Nobody remembers for longer why. */
const IGNORED_MAX_MS = 3_650 * 86_400_000;
