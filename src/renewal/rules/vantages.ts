import type { EndpointStatus } from "../../domain/deployment.ts";
import { type Endpoint, endpointKey, endpointPlace, type Observation } from "../../domain/endpoint.ts";
import { type Heartbeat, isLive } from "../../domain/heartbeat.ts";
import type { ObservedAddress } from "../../domain/observationStore.ts";
import type { Version } from "../../domain/version.ts";

/** Endpoints that a verifier of this vantage may dial. `vantage` undefined: it has none. */
export function endpointsOf(endpoints: readonly Endpoint[], vantage: string | undefined): readonly Endpoint[] {
  return endpoints.filter((endpoint) => endpoint.vantage === vantage);
}

/** The networks that endpoints must be dialled from. */
export function vantagesOf(endpoints: readonly Endpoint[]): string[] {
  return [...new Set(endpoints.flatMap(({ vantage }) => vantage ?? []))].sort();
}

/** Vantages of which no verifier has reported lately: what is served there is unknown. */
export function silentVantages(
  endpoints: readonly Endpoint[],
  beats: readonly Pick<Heartbeat, "role" | "vantage" | "stoppedAt" | "beatAt">[],
  now: number,
): ReadonlySet<string> {
  return silentAmong(vantagesOf(endpoints), beats, now);
}

export function silentAmong(
  vantages: readonly string[],
  beats: Parameters<typeof silentVantages>[1],
  now: number,
): ReadonlySet<string> {
  const speaking = new Set(
    beats.filter((beat) => beat.role === "verifier" && isLive(beat, now)).map(({ vantage }) => vantage),
  );
  return new Set(vantages.filter((vantage) => !speaking.has(vantage)));
}

/** What to do about a silent one. */
export function vantageAdvice(vantage: string): string {
  return `Start one in that network: \`renewd worker verifier --vantage ${vantage}\`.`;
}

/** What one vantage last saw at an endpoint. */
export interface VantageView {
  readonly vantage: string;
  /** `generation 6`, or what is wrong. */
  readonly sees: string;
  /** End of its last look, ms since epoch; null: it never looked. */
  readonly at: number | null;
  /** It looked for this generation: what it saw before is no difference. */
  readonly isCurrent: boolean;
  readonly proved: boolean;
}

/** An endpoint that several vantages look at. */
export interface EndpointViews {
  /** `endpointPlace()`. */
  readonly place: string;
  readonly views: readonly VantageView[];
}

export interface Recorded {
  readonly statuses: readonly EndpointStatus[];
  readonly observed: readonly ObservedAddress[];
  /** Of the certificate. */
  readonly versions: readonly Pick<Version, "generation" | "leaf">[];
}

/** What each vantage sees at each endpoint that should serve this generation, by what it last recorded there. */
export function viewsOf(
  endpoints: readonly Endpoint[],
  generation: number,
  { statuses, observed, versions }: Recorded,
): EndpointViews[] {
  const generations = new Map(versions.map(({ generation, leaf }) => [leaf.fingerprint, generation]));
  const byPlace = Map.groupBy(
    endpoints.filter(({ vantage }) => vantage !== undefined),
    endpointPlace,
  );
  return [...byPlace].map(([place, seenFrom]) => ({
    place,
    views: seenFrom.map((endpoint): VantageView => {
      const key = endpointKey(endpoint);
      const status = statuses.find((each) => each.endpoint === key);
      const seen = observed.filter((each) => each.endpoint === key).map(({ observation }) => observation);
      return {
        vantage: endpoint.vantage ?? "",
        sees: status === undefined ? "nothing yet" : seenIn(seen, generations, status),
        at: status?.roundEndedAt ?? null,
        isCurrent: status?.generation === generation && status.roundEndedAt !== null,
        proved: status?.generation === generation && status.proved,
      };
    }),
  }));
}

function seenIn(
  observations: readonly Observation[],
  generations: ReadonlyMap<string, number>,
  { errorMessage }: EndpointStatus,
): string {
  const served = observations.flatMap(({ served }) => {
    if (served === null) return [];
    const generation = generations.get(served.fingerprint);
    return [generation === undefined ? `serial ${served.serial} by ${served.issuer}` : `generation ${generation}`];
  });
  const distinct = [...new Set(served)].sort();
  return distinct.length > 0 ? distinct.join(" and ") : (errorMessage ?? "no certificate");
}

/** "office sees generation 6, internet sees generation 7"; null: all that have looked see the same. */
export function differenceOf({ views }: EndpointViews): string | null {
  const looked = views.filter(({ isCurrent }) => isCurrent);
  if (new Set(looked.map(({ sees, proved }) => `${proved} ${sees}`)).size < 2) return null;
  return looked.map(({ vantage, sees }) => `${vantage} sees ${sees}`).join(", ");
}
