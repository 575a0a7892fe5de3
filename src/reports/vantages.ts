import type { ObservedAddress, Store } from "../domain/store.ts";
import { expectedGeneration } from "../renewal/rules/served.ts";
import { differenceOf, type EndpointViews, vantagesOf, viewsOf } from "../renewal/rules/vantages.ts";
import { unprovedEndpoints } from "./failures.ts";
import type { Member } from "./fleet.ts";

/** What each vantage sees at the certificate's endpoints; empty: they are dialled from none. */
export async function vantageViews(
  { versions }: Pick<Store, "versions">,
  { certificate, version, endpoints: statuses }: Member,
  observed: readonly ObservedAddress[],
): Promise<EndpointViews[]> {
  const { endpoints, name } = certificate;
  if (vantagesOf(endpoints).length === 0) return [];
  // Where all is well, the latest is all that is seen.
  const isLatest = ({ observation: { served } }: ObservedAddress): boolean =>
    served === null || served.fingerprint === version?.leaf.fingerprint;
  const known = version !== null && observed.every(isLatest) ? [version] : await versions.list(name);
  return viewsOf(endpoints, expectedGeneration(certificate, version) ?? 0, { statuses, observed, versions: known });
}

/** Where vantages see different things, in words, by certificate. Nothing is asked of a fleet without vantages. */
export async function differencesAmong(
  store: Pick<Store, "versions" | "observations">,
  members: readonly Member[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const unproved = members.filter(
    (member) => vantagesOf(member.certificate.endpoints).length > 0 && unprovedEndpoints(member).length > 0,
  );
  if (unproved.length === 0) return new Map();
  const names = unproved.map(({ certificate }) => certificate.name);
  const observed = Map.groupBy(await store.observations.allObservations(names), ({ certificate }) => certificate);
  const found = new Map<string, readonly string[]>();
  for (const member of unproved) {
    const { name } = member.certificate;
    const views = await vantageViews(store, member, observed.get(name) ?? []);
    found.set(
      name,
      views.flatMap((each) => differenceOf(each) ?? []),
    );
  }
  return found;
}
