import type { Certificate } from "../../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../../domain/deployment.ts";
import { endpointKey, endpointPlace, placeOfKey } from "../../domain/endpoint.ts";
import { type ErrorCode, isErrorCode } from "../../domain/errorTable.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { StagedWave } from "../../domain/waves.ts";
import type { Facts, Failure } from "./facts.ts";

export const CRASH_LOOP = "internal.crashLoop" satisfies ErrorCode;

/** It lacks the pair, or has it by a definition of its target that this renewal is to replace. */
export function isBehind(row: Deployment, { generation, reason }: Renewal, { certificate }: Facts): boolean {
  if (row.deployedGeneration < generation) return true;
  return (
    reason === "targetChanged" &&
    certificate !== null &&
    row.targetDigest !== null &&
    row.targetDigest !== certificate.targetDigests[row.target]
  );
}

export function hasCrashed(row: Deployment, facts: Facts): boolean {
  return row.openClaims >= facts.crashesMax;
}

/** Targets of the wave that lack the pair, and endpoints of the other targets that do not serve it. */
export function failuresOf(wave: StagedWave, renewal: Renewal, facts: Facts): Failure[] {
  const { generation } = renewal;
  const behind = facts.deployments.filter((row) => wave.targets.includes(row.target) && isBehind(row, renewal, facts));
  const targets = behind.map((row) => {
    const { code, message } = failureOf(row, facts);
    return { code, message: `target ${row.target}: ${message}` };
  });
  const served = wave.endpoints.filter(({ target }) => !behind.some((row) => row.target === target)).map(endpointKey);
  const unproved = facts.endpoints.filter(
    (status) => status.generation === generation && !status.proved && served.includes(status.endpoint),
  );
  const endpoints = unproved.map((status) => {
    const { code, message } = failure(status.errorCode ?? "verify.stale", status.errorMessage ?? "not proved");
    return { code, message: `endpoint ${status.endpoint}: ${message}${seenElsewhere(status, facts)}` };
  });
  return [...targets, ...endpoints];
}

/** What the other vantages of the same endpoint have proved. */
function seenElsewhere({ endpoint, generation }: EndpointStatus, { certificate, endpoints }: Facts): string {
  const proved = endpoints.filter((each) => each.generation === generation && each.proved);
  const others = (certificate?.endpoints ?? []).filter(
    (each) => endpointPlace(each) === placeOfKey(endpoint) && proved.some((one) => one.endpoint === endpointKey(each)),
  );
  return others.map(({ vantage }) => `; ${vantage} sees generation ${generation}`).join("");
}

function failureOf(row: Deployment, facts: Facts): Failure {
  if (hasCrashed(row, facts)) return crashLoop(`${row.openClaims} workers in a row died while deploying`);
  return row.errorCode === null
    ? { code: "deploy.unattended", message: "no deployer has taken it" }
    : failure(row.errorCode, row.errorMessage);
}

export function summary(certificate: Certificate, renewal: Renewal, facts: Facts): string {
  const rows = facts.deployments.filter(({ target }) => certificate.targets.includes(target));
  const behind = rows.filter((row) => isBehind(row, renewal, facts));
  return behind.length === 0 ? "" : `${rows.length - behind.length} of ${rows.length} targets deployed; `;
}

export function failure(code: string | null, message: string | null): Failure {
  return {
    code: code !== null && isErrorCode(code) ? code : "internal.bug",
    message: message ?? "no message was recorded",
  };
}

export function crashLoop(message: string): { readonly kind: "fail" } & Failure {
  return { kind: "fail", code: CRASH_LOOP, message };
}
