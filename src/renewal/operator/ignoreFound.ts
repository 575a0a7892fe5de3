import { endpointKey } from "../../domain/endpoint.ts";
import type { Ignored, InventoryEntry } from "../../domain/inventory.ts";
import type { Store } from "../../domain/store.ts";

/** A person has decided that a found certificate is no business of renewd's; null: that it is after all. */
export async function ignoreFound(
  store: Store,
  { certificate, places }: Pick<InventoryEntry, "certificate" | "places">,
  { ignored, by, at }: { readonly ignored: Ignored | null; readonly by: string | null; readonly at: number },
): Promise<void> {
  const { fingerprint, names, subject } = certificate;
  await store.transaction(async (tx) => {
    await tx.inventory.ignore(fingerprint, ignored);
    // Discovery had them watched; what the configuration names has another key.
    for (const { endpoint } of ignored === null ? [] : places)
      if (endpoint !== null)
        await tx.watched.remove(
          endpointKey({ host: endpoint.host, port: endpoint.port, sni: endpoint.sni, target: null }),
        );
    await tx.events.append({
      ...{ at, certificate: null, renewalId: null, target: null },
      type: ignored === null ? "inventory.unignored" : "inventory.ignored",
      detail: {
        ...{ fingerprint, name: names[0] ?? subject, by },
        ...(ignored !== null && { reason: ignored.reason, until: ignored.until }),
      },
    });
  });
}
