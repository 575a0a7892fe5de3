import type { Store } from "../../../domain/store.ts";

/** What decisions about a certificate depend on. Locks it first, so that of two decisions the second sees the first. */
export async function certificateState(store: Store, name: string): Promise<unknown> {
  await store.certificates.lock([name]);
  const [version] = await store.versions.listLatest(undefined, [name]);
  return [
    await store.certificates.get(name),
    await store.renewals.active(name),
    [version?.generation, version?.verifiedAt, version?.revokedAt],
    await store.deployments.list(name),
    await store.observations.statuses(name),
  ];
}

export async function renewalState(store: Store, id: string): Promise<unknown> {
  const found = await store.renewals.get(id);
  if (found === null) return null;
  const about = await certificateState(store, found.certificate);
  return [about, await store.renewals.get(id)];
}

export async function replacementState({ replacements }: Store, id: string): Promise<unknown> {
  return (await replacements.list()).find((each) => each.id === id) ?? null;
}
