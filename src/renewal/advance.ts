import type { Certificate } from "../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../domain/deployment.ts";
import { type Endpoint, endpointKey } from "../domain/endpoint.ts";
import type { ErrorCode } from "../domain/errors.ts";
import { isErrorCode } from "../domain/errors.ts";
import { isActive, type Renewal } from "../domain/renewal.ts";
import type { Version } from "../domain/version.ts";

/** All that decides what comes next for a renewal, loaded in one transaction. */
export interface Facts {
  /** From configuration; null: it left the configuration. */
  readonly certificate: Certificate | null;
  /** The version at the renewal's generation; null: not issued yet. */
  readonly version: Version | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
  /** Claims without an outcome after which work is given up as a crash loop. */
  readonly crashesMax: number;
}

export type Action =
  | { readonly kind: "none" }
  | { readonly kind: "issue" }
  | { readonly kind: "deploy"; readonly targets: readonly string[] }
  | { readonly kind: "verify"; readonly endpoints: readonly Endpoint[] }
  | { readonly kind: "wait"; readonly until: number }
  | { readonly kind: "succeed" }
  | { readonly kind: "fail"; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: "cancel"; readonly why: string };

/**
 * What comes next for a renewal: the one state machine of renewd. Pure and level-triggered: it reads what is true,
 * not what happened, so a lost or doubled job changes nothing. Every active renewal gets an action or an end.
 */
export function advance(renewal: Renewal, facts: Facts, now: number): Action {
  if (!isActive(renewal.state)) return { kind: "none" };
  if (renewal.leaseUntil !== null && renewal.leaseUntil > now) return { kind: "wait", until: renewal.leaseUntil };
  const { certificate, version } = facts;
  if (certificate === null) return { kind: "cancel", why: "the certificate left the configuration" };
  if (version === null) return advanceIssue(renewal, certificate, facts, now);
  return advanceDeploy(certificate, renewal.generation, facts, now) ?? advanceVerify(renewal, certificate, facts);
}

function advanceIssue(renewal: Renewal, certificate: Certificate, facts: Facts, now: number): Action {
  // An order for names nobody wants any more must not be finished; the planner starts afresh with the new configuration.
  if (renewal.digest !== certificate.digest) return { kind: "cancel", why: "the certificate's configuration changed before it was issued" };
  if (renewal.openClaims >= facts.crashesMax) return crashLoop(`${renewal.openClaims} workers in a row died while issuing`);
  if (renewal.retryAt !== null && renewal.retryAt > now) return { kind: "wait", until: renewal.retryAt };
  if (renewal.errorCode !== null && renewal.retryAt === null) return failure(renewal.errorCode, renewal.errorMessage);
  return { kind: "issue" };
}

/** Targets first: nothing is verified while a deployment is running or can be started. Null: deployments have nothing to say now. */
function advanceDeploy(certificate: Certificate, generation: number, facts: Facts, now: number): Action | null {
  const pending = pendingDeployments(certificate, generation, facts);
  const leased = pending.filter((row) => row.leaseUntil !== null && row.leaseUntil > now);
  const due = pending.filter((row) => !leased.includes(row) && (row.nextAttemptAt ?? 0) <= now);
  if (due.length > 0) return { kind: "deploy", targets: due.map(({ target }) => target) };
  if (leased.length > 0) return { kind: "wait", until: Math.min(...leased.map((row) => row.leaseUntil ?? now)) };
  return null;
}

/** One failing target does not keep the others from being proved: what is deployed is verified, what is behind is waited for. */
function advanceVerify(renewal: Renewal, certificate: Certificate, facts: Facts): Action {
  const { generation } = renewal;
  const rows = facts.deployments.filter(({ target }) => certificate.targets.includes(target));
  const unverified = certificate.endpoints.filter((endpoint) => needsVerification(endpoint, renewal, rows, facts.endpoints));
  if (unverified.length > 0) return { kind: "verify", endpoints: unverified };

  const pending = pendingDeployments(certificate, generation, facts);
  if (pending.length > 0) return { kind: "wait", until: Math.min(...pending.map((row) => row.nextAttemptAt ?? 0)) };

  const behind = rows.filter((row) => row.deployedGeneration < generation);
  const [firstBehind] = behind;
  if (firstBehind !== undefined) {
    const summary = `${rows.length - behind.length} of ${rows.length} targets deployed`;
    if (crashed(firstBehind, facts)) return crashLoop(`target ${firstBehind.target}: ${firstBehind.openClaims} workers in a row died while deploying`);
    return failure(firstBehind.errorCode, `${summary}; target ${firstBehind.target}: ${firstBehind.errorMessage ?? "not deployed"}`);
  }
  const unproved = facts.endpoints.find((status) => status.generation === generation && !status.proved && isConfigured(status, certificate));
  if (unproved !== undefined) return failure(unproved.errorCode ?? "verify.stale", `endpoint ${unproved.endpoint}: ${unproved.errorMessage ?? "not proved"}`);
  return { kind: "succeed" };
}

/** Deployments that may still be tried in this renewal. */
function pendingDeployments(certificate: Certificate, generation: number, facts: Facts): Deployment[] {
  return facts.deployments.filter(
    (row) => certificate.targets.includes(row.target) && row.deployedGeneration < generation && !row.exhausted && !crashed(row, facts),
  );
}

function crashed(row: Deployment, facts: Facts): boolean {
  return row.openClaims >= facts.crashesMax;
}

/** A handshake counts only if it came after this renewal began and after the pair was last put behind the endpoint. */
function needsVerification(endpoint: Endpoint, renewal: Renewal, rows: readonly Deployment[], statuses: readonly EndpointStatus[]): boolean {
  const behind = rows.filter((row) => endpoint.target === null || row.target === endpoint.target);
  const deployed = behind.filter((row) => row.deployedGeneration >= renewal.generation);
  if (behind.length > 0 && deployed.length === 0) return false;
  const since = Math.max(renewal.createdAt, ...deployed.map((row) => row.deployedAt ?? 0));
  const status = statuses.find((row) => row.endpoint === endpointKey(endpoint) && row.generation === renewal.generation);
  return status === undefined || status.roundEndedAt === null || status.roundEndedAt < since;
}

function isConfigured(status: EndpointStatus, certificate: Certificate): boolean {
  return certificate.endpoints.some((endpoint) => endpointKey(endpoint) === status.endpoint);
}

function failure(code: string | null, message: string | null): Action {
  return { kind: "fail", code: code !== null && isErrorCode(code) ? code : "internal.bug", message: message ?? "no message was recorded" };
}

function crashLoop(message: string): Action {
  return { kind: "fail", code: "internal.crashLoop", message };
}
