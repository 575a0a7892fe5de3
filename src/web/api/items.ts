import type { z } from "zod";
import type { CertificateRecord } from "../../domain/certificate.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Responsibility } from "../../domain/responsibility.ts";
import type { ObservedAddress } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import { eventSentence } from "../../reports/eventSentence.ts";
import { iso } from "../../reports/instant.ts";
import type { CertificateRow } from "../../reports/lists/certificateRow.ts";
import type { DeploymentRow } from "../../reports/lists/deploymentList.ts";
import type { EndpointRow } from "../../reports/lists/endpointList.ts";
import type {
  certificateItem,
  deploymentItem,
  endpointItem,
  eventItem,
  observationItem,
  renewalItem,
  versionItem,
} from "./schemas.ts";

/** `record`: null: no planner has seen it. */
export function toCertificate(row: CertificateRow, record: CertificateRecord | null): z.output<typeof certificateItem> {
  const { certificate, names, state, needsPerson, cause, issuer, keyType, targets, generations, life, next } = row;
  return {
    certificate,
    names: [...names],
    state,
    problem: row.what,
    needsPerson,
    acknowledged: row.isAcknowledged,
    cause,
    paused:
      record === null || record.pausedAt === null
        ? null
        : { since: iso(record.pausedAt), until: iso(record.pausedUntil), reason: record.pausedReason },
    issuer,
    keyType,
    targets: [...targets],
    generations,
    notBefore: iso(life?.from ?? null),
    notAfter: iso(life?.to ?? null),
    expiresAt: iso(row.expiresAt),
    windowOpensAt: iso(life?.windowOpensAt ?? null),
    nextAt: iso(next.at),
    next: next.what,
    waitingOn: row.waitingOn,
    provedAt: iso(row.provedAt),
    renewalId: row.renewalId,
    serial: row.serial,
    fingerprint: row.fingerprint,
    responsibility: toResponsibility(row.responsibility),
    definedIn: row.definedIn,
  };
}

function toResponsibility({ labels, ...same }: Responsibility): z.output<typeof certificateItem>["responsibility"] {
  return { ...same, labels: { ...labels } };
}

export function toVersion({ leaf, ...version }: Version): z.output<typeof versionItem> {
  const { certificate, generation, issuer, keyType, leafPem, chainPem, droppedNames } = version;
  return {
    certificate,
    generation,
    issuer,
    issuedBy: leaf.issuerName,
    serial: leaf.serial,
    fingerprint: leaf.fingerprint,
    names: leaf.identifiers.map(({ value }) => value),
    keyType,
    notBefore: iso(leaf.notBefore),
    notAfter: iso(leaf.notAfter),
    issuedAt: iso(version.createdAt),
    provedAt: iso(version.verifiedAt),
    revokedAt: iso(version.revokedAt),
    droppedNames: [...droppedNames],
    certificatePem: leafPem,
    chainPem: [...chainPem],
  };
}

export function toRenewal(renewal: Renewal & { readonly serial: string | null }): z.output<typeof renewalItem> {
  const { id, certificate, generation, state, reason, trigger, issuer, serial, attempts } = renewal;
  return {
    id,
    certificate,
    generation,
    state,
    reason,
    detail: renewal.reasonDetail,
    trigger,
    issuer,
    serial,
    attempts,
    startedAt: iso(renewal.createdAt),
    finishedAt: iso(renewal.finishedAt),
    nextActionAt: iso(renewal.nextActionAt),
    retryAt: iso(renewal.retryAt),
    errorCode: renewal.errorCode,
    errorMessage: renewal.errorMessage,
  };
}

export function toEvent(event: HistoryEvent): z.output<typeof eventItem> {
  const { seq, at, type, certificate, renewalId, target, worker, detail } = event;
  const shown = Object.fromEntries(
    Object.entries(detail).map(([key, value]) => [key, isList(value) ? [...value] : value]),
  );
  return {
    seq,
    at: iso(at),
    type,
    certificate,
    renewalId,
    target,
    process: worker,
    what: eventSentence(event),
    detail: shown,
  };
}

function isList(value: string | number | boolean | null | readonly string[]): value is readonly string[] {
  return Array.isArray(value);
}

export function toDeployment(row: DeploymentRow): z.output<typeof deploymentItem> {
  const { deployedAt, behindSince, nextAttemptAt, responsibility, ...same } = row;
  return {
    ...same,
    responsibility: toResponsibility(responsibility),
    deployedAt: iso(deployedAt),
    behindSince: iso(behindSince),
    nextAttemptAt: iso(nextAttemptAt),
  };
}

export function toEndpoint(row: EndpointRow): z.output<typeof endpointItem> {
  const { definition, checkedAt, nextDialAt, responsibility: answers, ...same } = row;
  const { host, port, sni, starttls = null, target } = definition;
  const responsibility = toResponsibility(answers);
  return {
    ...same,
    responsibility,
    host,
    port,
    sni,
    starttls,
    target,
    checkedAt: iso(checkedAt),
    nextDialAt: iso(nextDialAt),
  };
}

export function toObservation({
  certificate,
  endpoint,
  observation,
}: ObservedAddress): z.output<typeof observationItem> {
  const { address, port, sni, at, durationMs, served, problem } = observation;
  return {
    certificate,
    endpoint,
    address,
    port,
    sni,
    at: iso(at),
    durationMs,
    served: served && {
      fingerprint: served.fingerprint,
      serial: served.serial,
      names: [...served.subjectAltNames],
      issuer: served.issuer,
      notBefore: iso(served.notBefore),
      notAfter: iso(served.notAfter),
      chain: [...served.chain],
    },
    problem: problem && { code: problem.code, message: problem.message },
  };
}
