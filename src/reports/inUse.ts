import { endpointKey } from "../domain/endpoint.ts";
import type { Store } from "../domain/store.ts";
import type { Leaf } from "../domain/version.ts";
import { isWatchedOnly } from "../renewal/rules/served.ts";
import { type Member, progressOf } from "./fleet.ts";

type Reading = {
  readonly versions: Pick<Store["versions"], "listOf">;
  readonly observations: Pick<Store["observations"], "allObservations">;
};

export type Validity = Pick<Leaf, "notBefore" | "notAfter">;

/**
 * Of the pairs in use of each certificate the one that ends first: after a failed deployment the previous one still is.
 * null: no version was ever issued, and nothing was seen of one that renewd only observes. At most `NAMES_MAX`
 * certificates; two statements, and none where all is well.
 */
export async function earliestPairs(store: Reading, members: readonly Member[]): Promise<Map<string, Validity | null>> {
  const issued = members.filter(({ version }) => version !== null).map((member) => ({ member, ...progressOf(member) }));
  const behind = issued.filter(({ targets, targetsDeployed }) => targetsDeployed < targets).map(({ member }) => member);
  const older = new Map(behind.map((member) => [member.certificate.name, olderHeld(member)]));
  const held = await store.versions.listOf([...older.keys()], [...new Set([...older.values()].flat())]);
  const unproved = issued
    .filter(({ provedLive, member }) => !provedLive && member.certificate.endpoints.length > 0)
    .map(({ member }) => member.certificate.name);
  // What is held at the first run was dialled, and nothing is issued until somebody decides.
  const watched = members.filter(
    ({ certificate, version, record }) =>
      isWatchedOnly(certificate, version) || (version === null && record !== null && record.pausedAt !== null),
  );
  const seen = [...unproved, ...watched.map(({ certificate }) => certificate.name)];
  const observed = seen.length === 0 ? [] : await store.observations.allObservations(seen);
  const servedBy = Map.groupBy(observed, ({ certificate }) => certificate);
  const heldBy = Map.groupBy(held, ({ certificate }) => certificate);
  return new Map(
    members.map(({ certificate, version }) => {
      const { name, endpoints } = certificate;
      const keys = endpoints.map(endpointKey);
      const served = (servedBy.get(name) ?? []).flatMap(({ endpoint, observation }) =>
        observation.served !== null && keys.includes(endpoint) ? [observation.served] : [],
      );
      if (version === null) return [name, firstToEnd(served)];
      const generations = older.get(name) ?? [];
      const held = (heldBy.get(name) ?? []).filter(({ generation }) => generations.includes(generation));
      return [name, firstToEnd([version.leaf, ...held.map(({ leaf }) => leaf), ...served])];
    }),
  );
}

function firstToEnd(pairs: readonly Validity[]): Validity | null {
  return pairs.toSorted((a, b) => a.notAfter - b.notAfter)[0] ?? null;
}

/** Generations before the latest that targets of the configuration hold. */
function olderHeld({ certificate, version, deployments }: Member): number[] {
  return deployments
    .filter(({ target }) => certificate.targets.includes(target))
    .map(({ deployedGeneration }) => deployedGeneration)
    .filter((generation) => generation > 0 && generation < (version?.generation ?? 0));
}
