import type { Certificate } from "../../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../../domain/deployment.ts";
import { endpointKey, isUnanswered } from "../../domain/endpoint.ts";
import { type Identifier, sameIdentifiers } from "../../domain/identifier.ts";
import type { Reason } from "../../domain/renewal.ts";
import type { RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import { formatAgo, formatDuration, formatInstant } from "../../domain/time.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";
import { isFromConfigured } from "./origin.ts";
import { ownWindowAt, suggestionFor } from "./suggestion.ts";
import { renewalWindow } from "./window.ts";

/** What is known about a certificate when the planner asks whether it is due. */
export interface ReasonFacts {
  readonly certificate: Certificate;
  /** The latest issued version; null: none yet. */
  readonly version: Version | null;
  /** What the CA suggested last; null: it was never asked. */
  readonly renewalInfo: RenewalInfoRecord | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
}

interface Check {
  readonly reason: Reason;
  /** The sentence people read when this check wins, null when it does not apply. */
  readonly applies: (facts: ReasonFacts & { readonly version: Version }, now: number) => string | null;
}

/** Why a certificate renews: the first that applies wins. `missing` comes before all of them. */
const CHECKS: readonly Check[] = [
  {
    reason: "revoked",
    applies: ({ version }) =>
      version.revokedAt === null
        ? null
        : `generation ${version.generation} was revoked ${formatInstant(version.revokedAt)}`,
  },
  {
    reason: "identifiersChanged",
    applies({ certificate, version }) {
      // Names that were dropped on purpose do not count; the next regular renewal tries them again.
      const dropped = certificate.dropDeadNames ? version.droppedNames : [];
      const wanted = certificate.identifiers.filter(({ value }) => !dropped.includes(value));
      return sameIdentifiers(wanted, version.leaf.identifiers)
        ? null
        : namesDifference(wanted, version.leaf.identifiers);
    },
  },
  {
    reason: "issuerChanged",
    applies({ certificate, version }) {
      if (isFromConfigured(certificate, version)) return null;
      const at = (directory: string | null | undefined): string => (directory ? ` (${directory})` : "");
      const issued = `${version.issuer}${at(version.directory)}`;
      return `issued by ${issued}, configured is ${certificate.issuer}${at(certificate.issuerDirectories[0])}`;
    },
  },
  {
    reason: "keyChanged",
    applies: ({ certificate, version }) =>
      version.keyType === certificate.keyType
        ? null
        : `key is ${version.keyType}, configured is ${certificate.keyType}`,
  },
  {
    reason: "emergency",
    applies: ({ certificate, version }, now) => {
      const window = renewalWindow(version.leaf, certificate.policy);
      if (now >= window.expiresAt) return `expired ${formatAgo(now - window.expiresAt)}`;
      return now >= window.emergencyAt ? `expires in ${formatDuration(window.expiresAt - now)}` : null;
    },
  },
  {
    reason: "renewalInfo",
    applies: ({ version, renewalInfo }, now) => {
      const suggestion = suggestionFor(version, renewalInfo);
      if (suggestion === null || now < suggestion.renewAt) return null;
      const why = suggestion.explanationUrl === null ? "" : `, see ${suggestion.explanationUrl}`;
      const { start, end } = suggestion;
      return `the CA asks for renewal between ${formatInstant(start)} and ${formatInstant(end)}${why}`;
    },
  },
  {
    reason: "renewalWindow",
    applies: ({ certificate, version, renewalInfo }, now) => {
      const window = renewalWindow(version.leaf, certificate.policy);
      return now >= ownWindowAt(version, certificate.policy, renewalInfo)
        ? `window opened ${formatInstant(window.opensAt)}, expires in ${formatDuration(window.expiresAt - now)}`
        : null;
    },
  },
  { reason: "drift", applies: drift },
  {
    reason: "targetChanged",
    applies({ certificate, version, deployments }) {
      const changed = changedTargets(certificate, version.generation, deployments);
      return changed.length === 0 ? null : `the definition of target ${changed.join(", ")} changed`;
    },
  },
];

export interface ReasonFound {
  readonly reason: Reason;
  readonly detail: string;
}

/** The first reason to renew, or null: the certificate is as wanted. */
export function firstReason(facts: ReasonFacts, now: number): ReasonFound | null {
  const { version } = facts;
  if (version === null) return { reason: "missing", detail: "no certificate has been issued yet" };
  for (const { reason, applies } of CHECKS) {
    const detail = applies({ ...facts, version }, now);
    if (detail !== null) return { reason, detail };
  }
  return null;
}

function namesDifference(wanted: readonly Identifier[], held: readonly Identifier[]): string {
  const values = (set: readonly Identifier[]): Set<string> => new Set(set.map(({ value }) => value));
  const added = [...values(wanted).difference(values(held))].map((name) => `+${name}`);
  const dropped = [...values(held).difference(values(wanted))].map((name) => `-${name}`);
  return `names changed: ${[...added, ...dropped].join(" ")}`;
}

/** What is observed is not what is wanted: fixed by deploying and verifying the existing version, never by issuing. */
export function drift({
  certificate,
  version,
  deployments,
  endpoints,
}: ReasonFacts & { version: Version }): string | null {
  const behind = behindTargets(certificate, version.generation, deployments);
  if (behind.length > 0)
    return `not deployed to ${behind.map((target) => withProblem(target, deployments)).join(", ")}`;
  // An imported pair may never have been in place: until it was seen live, renewd must not replace what is served.
  if (version.issuer === IMPORTED && version.verifiedAt === null) return null;
  const stale = staleEndpoints(certificate, version.generation, endpoints);
  if (stale.length > 0) return `not served at ${stale.join(", ")}`;
  const current = endpoints.filter((status) => status.generation === version.generation);
  // An endpoint added later has to be proved as well.
  const unproved = certificate.endpoints
    .map(endpointKey)
    .filter((key) => !current.some((status) => status.endpoint === key));
  return unproved.length > 0 ? `not proved at ${unproved.join(", ")}` : null;
}

function withProblem(target: string, deployments: readonly Deployment[]): string {
  const problem = deployments.find((row) => row.target === target)?.inspectionProblem ?? null;
  return problem === null ? target : `${target} (${problem})`;
}

/** Configured targets that do not hold the generation. */
export function behindTargets(
  certificate: Certificate,
  generation: number,
  deployments: readonly Deployment[],
): string[] {
  return certificate.targets.filter((target) => {
    const deployment = deployments.find((row) => row.target === target);
    return deployment === undefined || deployment.deployedGeneration < generation;
  });
}

/** Configured targets that hold the generation, but were deployed to by another definition than they have now. */
export function changedTargets(
  { targets, targetDigests }: Pick<Certificate, "targets" | "targetDigests">,
  generation: number,
  deployments: readonly Deployment[],
): string[] {
  const changed = deployments.filter(
    ({ target, targetDigest, deployedGeneration }) =>
      targets.includes(target) &&
      deployedGeneration >= generation &&
      targetDigest !== null &&
      targetDigest !== targetDigests[target],
  );
  return changed.map(({ target }) => target);
}

/** Configured endpoints that serve another certificate. Deploying does not help an endpoint that does not answer. */
export function staleEndpoints(
  certificate: Certificate,
  generation: number,
  endpoints: readonly EndpointStatus[],
): string[] {
  const configured = new Set(certificate.endpoints.map(endpointKey));
  const stale = endpoints.filter(
    (status) => status.generation === generation && !status.proved && !isUnanswered(status.errorCode),
  );
  return stale.map(({ endpoint }) => endpoint).filter((endpoint) => configured.has(endpoint));
}
