import type { Endpoint } from "../../domain/endpoint.ts";
import { endpointKey } from "../../domain/endpoint.ts";
import type { Responsibility } from "../../domain/responsibility.ts";
import { expectedGeneration } from "../../renewal/rules/served.ts";
import { nextDialOf } from "../failures.ts";
import { iso } from "../instant.ts";
import type { Examined } from "../summary.ts";
import type { List } from "./list.ts";
import { responsibilityColumns, responsibilityFacets } from "./responsibility.ts";

/** `proved` only by a handshake that is young enough; `unknown`: the last proof is too old, or its vantage silent; `unseen`: never dialled. */
export const ENDPOINT_STATES = ["notServed", "unknown", "unseen", "proving", "proved"] as const;
export type EndpointState = (typeof ENDPOINT_STATES)[number];

/** What clients meet at one endpoint. Instants are ms since epoch. */
export interface EndpointRow {
  readonly certificate: string;
  readonly endpoint: string;
  readonly definition: Endpoint;
  readonly state: EndpointState;
  /** The generation it should serve. */
  readonly generation: number;
  readonly checkedAt: number | null;
  readonly nextDialAt: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** Of its certificate. */
  readonly responsibility: Responsibility;
}

export function endpointRows({ member }: Examined): EndpointRow[] {
  const { certificate, endpoints, version, active, proofsFrom, silent } = member;
  return certificate.endpoints.map((definition) => {
    const endpoint = endpointKey(definition);
    const status = endpoints.find((each) => each.endpoint === endpoint);
    const isCurrent = status !== undefined && status.generation === expectedGeneration(certificate, version);
    const isUnseen = definition.vantage !== undefined && silent.has(definition.vantage);
    const isOld = isUnseen || (status?.roundEndedAt ?? 0) < proofsFrom;
    const stateOf = (): EndpointState => {
      if (isCurrent && status.proved) return isOld ? "unknown" : "proved";
      if (active !== null) return "proving";
      return status === undefined || status.roundEndedAt === null ? "unseen" : "notServed";
    };
    return {
      certificate: certificate.name,
      endpoint,
      definition,
      state: stateOf(),
      generation: version?.generation ?? 0,
      checkedAt: status?.roundEndedAt ?? null,
      nextDialAt: nextDialOf(member),
      errorCode: status?.errorCode ?? null,
      errorMessage: status?.errorMessage ?? null,
      responsibility: certificate.responsibility,
    };
  });
}

export const endpointList: List<EndpointRow> = {
  name: "endpoints",
  columns: [
    { key: "endpoint", title: "Endpoint", value: ({ endpoint }) => endpoint },
    { key: "certificate", title: "Certificate", value: ({ certificate }) => certificate },
    { key: "state", title: "State", value: ({ state }) => state },
    { key: "generation", title: "Generation", value: ({ generation }) => generation },
    { key: "checkedAt", title: "Last handshakes", value: ({ checkedAt }) => iso(checkedAt) },
    { key: "nextDialAt", title: "Next", value: ({ nextDialAt }) => iso(nextDialAt) },
    { key: "errorCode", title: "Error", value: ({ errorCode }) => errorCode },
    { key: "errorMessage", title: "What was seen", value: ({ errorMessage }) => errorMessage },
    ...responsibilityColumns,
  ],
  facets: [
    { key: "state", title: "State", values: ({ state }) => [state] },
    { key: "error", title: "Error", values: ({ errorCode }) => [errorCode ?? "none"] },
    { key: "protocol", title: "Protocol", values: ({ definition }) => [definition.starttls ?? "tls"] },
    { key: "vantage", title: "Vantage", values: ({ definition }) => [definition.vantage ?? "any"] },
    { key: "target", title: "Served from", values: ({ definition }) => [definition.target ?? "any target"] },
    ...responsibilityFacets,
    { key: "certificate", title: "Certificate", values: ({ certificate }) => [certificate], isCounted: false },
  ],
  sorts: {
    worst: ({ state, checkedAt }) => ENDPOINT_STATES.indexOf(state) * 1e13 + (checkedAt ?? 0),
    endpoint: ({ endpoint }) => endpoint,
    certificate: ({ certificate }) => certificate,
    checked: ({ checkedAt }) => checkedAt,
  },
  defaultSort: "worst",
  id: ({ certificate, endpoint }) => `${certificate} ${endpoint}`,
  text: ({ endpoint, certificate }) => [endpoint, certificate],
};
