import type { EndpointStatus } from "./deployment.ts";
import type { Evidence, Observation } from "./endpoint.ts";

export interface ObservedAddress {
  readonly certificate: string;
  /** Its key. */
  readonly endpoint: string;
  readonly observation: Observation;
  /** null: none was gathered there. */
  readonly evidence: Evidence | null;
}

export interface ObservationStore {
  /** Replaces the endpoint's status, its addresses' last observations and, by address, what is known of each. */
  record(
    status: EndpointStatus,
    observations: readonly Observation[],
    evidence?: ReadonlyMap<string, Evidence>,
  ): Promise<void>;
  /** Endpoints that were not proved for this generation will be verified again. */
  retry(certificate: string, generation: number): Promise<void>;
  statuses(certificate: string): Promise<EndpointStatus[]>;
  allStatuses(names?: readonly string[]): Promise<EndpointStatus[]>;
  /** The last observation of each address. */
  observations(certificate: string): Promise<ObservedAddress[]>;
  allObservations(names?: readonly string[]): Promise<ObservedAddress[]>;
}
