import type { Ignored, InventoryEntry } from "../../domain/inventory.ts";
import type { Store } from "../../domain/store.ts";

/** A person has decided that a found certificate is no business of renewd's; null: that it is after all. */
export async function ignoreFound(
  store: Store,
  { certificate }: Pick<InventoryEntry, "certificate">,
  { ignored, by, at }: { readonly ignored: Ignored | null; readonly by: string | null; readonly at: number },
): Promise<void> {
  const { fingerprint, names, subject } = certificate;
  await store.transaction(async (tx) => {
    await tx.inventory.ignore(fingerprint, ignored);
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
