import type { EndpointStatus } from "../../domain/deployment.ts";
import { type Endpoint, endpointKey, endpointPlace } from "../../domain/endpoint.ts";
import type { Store } from "../../domain/store.ts";
import { differenceOf, viewsOf } from "../rules/vantages.ts";

interface Looked {
  /** Of the certificate. */
  readonly endpoints: readonly Endpoint[];
  readonly certificate: string;
  readonly renewalId: string | null;
  /** What was just recorded. */
  readonly rounds: readonly { readonly status: EndpointStatus }[];
}

/** Where vantages see different things, the history says which sees what. */
export async function recordDifferences(
  tx: Store,
  { endpoints, certificate, renewalId, rounds }: Looked,
  now: number,
): Promise<void> {
  const [first] = rounds;
  if (first === undefined) return;
  const looked = new Set(rounds.map(({ status }) => status.endpoint));
  const places = new Set(endpoints.filter((each) => looked.has(endpointKey(each))).map(endpointPlace));
  const shared = endpoints.filter((each) => each.vantage !== undefined && places.has(endpointPlace(each)));
  if (shared.length <= places.size) return;
  const recorded = {
    statuses: await tx.observations.statuses(certificate),
    observed: await tx.observations.observations(certificate),
    versions: await tx.versions.list(certificate),
  };
  for (const views of viewsOf(shared, first.status.generation, recorded)) {
    const difference = differenceOf(views);
    if (difference === null) continue;
    const of = { at: now, certificate, renewalId, target: null };
    await tx.events.append({ ...of, type: "verify.vantagesDiffer", detail: { endpoint: views.place, difference } });
  }
}
