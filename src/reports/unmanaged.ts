import type { Certificate } from "../domain/certificate.ts";
import { endpointKey } from "../domain/endpoint.ts";
import type { Store } from "../domain/store.ts";
import { formatDuration } from "../domain/time.ts";
import { expiryWarningAt } from "../renewal/rules/window.ts";
import type { Notice } from "./notices.ts";

/** The latest to leave come first; an estate that changes daily leaves thousands behind. */
const LOOKED_AT_MAX = 200;
const PLACES_SHOWN_MAX = 3;

/**
 * Certificates that left the configuration while an endpoint served them. Nothing renews them any more, so they end in
 * front of clients. Not those whose endpoint another certificate has by now, as after a rename.
 */
export async function unmanaged(store: Store, certificates: readonly Certificate[], now: number): Promise<Notice[]> {
  const managed = new Set(certificates.flatMap(({ endpoints }) => endpoints.map(endpointKey)));
  const configured = new Set(certificates.map(({ name }) => name));
  const left = (await store.certificates.list())
    .filter(({ name, removedAt }) => removedAt !== null && !configured.has(name))
    .sort((a, b) => (b.removedAt ?? 0) - (a.removedAt ?? 0))
    .slice(0, LOOKED_AT_MAX);
  const found: Notice[] = [];
  for (const { name, removedAt } of left) {
    // An altered row is the audit's finding.
    const version = await store.versions.latest(name).catch(() => null);
    if (version === null || version.leaf.notAfter <= now || version.revokedAt !== null) continue;
    const places = (await store.observations.observations(name))
      .filter(({ observation: { served } }) => served?.fingerprint === version.leaf.fingerprint)
      .filter(({ endpoint }) => !managed.has(endpoint))
      .map(({ endpoint }) => endpoint.slice(endpoint.indexOf("@") + 1));
    const open = [...new Set(places)];
    if (open.length === 0) continue;
    const shown = open.slice(0, PLACES_SHOWN_MAX).join(", ");
    const more = open.length > PLACES_SHOWN_MAX ? ` and ${open.length - PLACES_SHOWN_MAX} more` : "";
    found.push({
      id: `unmanaged/${name}`,
      kind: "unmanaged",
      what:
        `${name} left the configuration ${formatDuration(now - (removedAt ?? now))} ago while ${shown}${more} served ` +
        `it: nothing renews it, and it expires in ${formatDuration(version.leaf.notAfter - now)}`,
      action: "Put it back into the configuration, or take it out of service there and acknowledge this finding.",
      needsPerson: now >= expiryWarningAt(version.leaf),
      certificates: [name],
    });
  }
  return found;
}
