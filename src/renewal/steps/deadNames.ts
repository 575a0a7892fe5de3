import type { Store } from "../../domain/store.ts";
import { type DeadName, deadNames } from "../rules/deadNames.ts";

const EVENTS_MAX = 500;

export async function loadDeadNames(store: Store, certificate: string): Promise<DeadName[]> {
  return deadNames(
    await store.events.list({
      ...{ certificate, types: ["challenge.failed", "version.issued"], limit: EVENTS_MAX },
      // They may leave names out of an order.
      sealed: true,
    }),
  );
}
