import type { Context } from "./context.ts";

/** Makes the database's records match the configuration, with an event for every difference. Run by planners at start and reload. */
export async function configure({ store, estate, clock, log }: Context): Promise<void> {
  const now = clock.now();
  const difference = await store.transaction(async (tx) => {
    const found = await tx.certificates.sync(estate.certificates(), now);
    const base = { at: now, renewalId: null, target: null };
    for (const certificate of found.added) await tx.events.append({ ...base, type: "certificate.configured", certificate, detail: { change: "added" } });
    for (const certificate of found.changed) await tx.events.append({ ...base, type: "certificate.configured", certificate, detail: { change: "changed" } });
    for (const certificate of found.removed) await tx.events.append({ ...base, type: "certificate.removed", certificate, detail: {} });
    return found;
  });
  const { added, changed, removed } = difference;
  log.info({ added: added.length, changed: changed.length, removed: removed.length }, "configuration applied");
}
