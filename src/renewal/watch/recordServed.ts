import { type Endpoint, endpointKey, type Observation } from "../../domain/endpoint.ts";
import type { ServedJudge } from "../../domain/probe.ts";
import { placeKey, type ServedSighting } from "../../domain/served.ts";
import type { Store } from "../../domain/store.ts";

interface Round {
  readonly endpoint: Endpoint;
  readonly observations: readonly Observation[];
}

/** Of a certificate's endpoints, by their keys. */
export async function recordServedOf(
  tx: Store,
  judge: ServedJudge | undefined,
  endpoints: readonly Endpoint[],
  rounds: readonly { readonly status: { readonly endpoint: string }; readonly observations: readonly Observation[] }[],
): Promise<void> {
  const byKey = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const known = rounds.flatMap(({ status, observations }) => {
    const endpoint = byKey.get(status.endpoint);
    return endpoint === undefined ? [] : [{ endpoint, observations }];
  });
  await recordServed(tx, judge, known);
}

/** Keeps what each address served, by change. Without a judge the certificates are not known, so nothing is kept. */
async function recordServed(tx: Store, judge: ServedJudge | undefined, rounds: readonly Round[]): Promise<void> {
  if (judge === undefined) return;
  const sightings = rounds.flatMap((round) => sightingsOf(judge, round));
  if (sightings.length > 0) await tx.served.record(sightings);
}

export function sightingsOf(judge: ServedJudge, { endpoint, observations }: Round): ServedSighting[] {
  return observations.flatMap(({ address, port, sni, at, served, problem }): ServedSighting[] => {
    // What this machine cannot dial says nothing of the place.
    if (problem?.code === "verify.undialable") return [];
    const certificates = served === null ? null : judge.certificates(served);
    if (served !== null && certificates === null) return [];
    const key = placeKey({ address, port, sni });
    return [{ place: { key, host: endpoint.host, address, port, sni }, at, certificates, code: problem?.code ?? null }];
  });
}
