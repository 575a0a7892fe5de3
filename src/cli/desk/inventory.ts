import type { AdoptReport, IgnoreReport, InventoryKeyReport, InventoryReport } from "../../reports/inventory.ts";
import type { Connection } from "./connection.ts";
import type { Desk } from "./desk.ts";
import { document, search } from "./documents.ts";

type InventoryDesk = Pick<Desk, "inventory" | "inventoryKey" | "adoptFound" | "ignoreFound">;

/** What a renewd elsewhere has found. */
export function inventoryAt(server: Connection): InventoryDesk {
  const path = (fingerprint: string, verb: string): string => `/inventory/${encodeURIComponent(fingerprint)}/${verb}`;
  return {
    inventory: ({ source, expiring, unmanaged }) =>
      server.get(
        `/documents/inventory${search({ source, expiring, unmanaged: unmanaged ? "true" : null })}`,
        document<InventoryReport>(1),
      ),
    inventoryKey: (fingerprint) => server.get(path(fingerprint, "key"), document<InventoryKeyReport>(1)),
    adoptFound: (fingerprint) => server.get(path(fingerprint, "adopt"), document<AdoptReport>(1)),
    ignoreFound: (fingerprint, until, reason) =>
      until === null
        ? server.post(path(fingerprint, "unignore"), {}, document<IgnoreReport>(1))
        : server.post(path(fingerprint, "ignore"), { until, reason: reason ?? "" }, document<IgnoreReport>(1)),
  };
}
