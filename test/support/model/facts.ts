import type { Alert } from "../../../src/domain/alert.ts";
import type { AppliedConfiguration } from "../../../src/domain/applied.ts";
import type { Certificate, CertificateRecord } from "../../../src/domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../../../src/domain/deployment.ts";
import { endpointKey } from "../../../src/domain/endpoint.ts";
import type { Heartbeat } from "../../../src/domain/heartbeat.ts";
import type { FoundCertificate, FoundPlace, Sighting } from "../../../src/domain/inventory.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import type { RenewalInfoRecord } from "../../../src/domain/renewalInfo.ts";
import { NOBODY } from "../../../src/domain/responsibility.ts";
import type { Version } from "../../../src/domain/version.ts";

/** Plain facts for tests of pure rules: a healthy 90-day certificate at day 10, one field overridden at a time. */
export const DAY_MS = 86_400_000;
export const ISSUED_AT = Date.UTC(2026, 0, 1);
export const NOW = ISSUED_AT + 10 * DAY_MS;

export function certificate(patch: Partial<Certificate> = {}): Certificate {
  return {
    name: "www",
    identifiers: [{ type: "dns", value: "www.example.org" }],
    registeredDomains: ["example.org"],
    issuer: "ca",
    fallbacks: [],
    issuerDirectories: [],
    dropDeadNames: false,
    mode: "renew",
    keyType: "ecdsa-p256",
    solvers: ["http"],
    targets: ["lb"],
    waves: [],
    onWaveFailure: "fail",
    endpoints: [{ host: "127.0.0.1", port: 443, sni: "www.example.org", target: null }],
    maintenance: { windows: [], freezes: [] },
    profile: null,
    preferredChain: null,
    reuseKey: false,
    csr: null,
    responsibility: NOBODY,
    policy: { renewAtFractionLeft: null, jitterFraction: 0 },
    verifyTimeoutMs: 1_000,
    allDistrusted: false,
    digest: "digest-1",
    // Any change may change what is issued, unless a test says otherwise.
    issueDigest: patch.digest ?? "digest-1",
    targetDigests: {},
    ...patch,
  };
}

export function record(patch: Partial<CertificateRecord> = {}): CertificateRecord {
  return {
    name: "www",
    digest: "digest-1",
    nextCheckAt: NOW,
    failures: 0,
    nextAttemptAt: null,
    lastErrorCode: null,
    lastErrorMessage: null,
    pausedAt: null,
    pausedUntil: null,
    pausedReason: null,
    removedAt: null,
    restoredAt: null,
    generationFloor: 0,
    nextObservationAt: null,
    nextRehearsalAt: null,
    rehearsalProblem: null,
    planFailures: 0,
    planErrorCode: null,
    planErrorMessage: null,
    expiryWarningAt: null,
    ...patch,
  };
}

export function version(patch: Partial<Version> = {}): Version {
  return {
    certificate: "www",
    generation: 1,
    issuer: "ca",
    directory: null,
    leaf: {
      serial: "01",
      fingerprint: "aa".repeat(32),
      identifiers: [{ type: "dns", value: "www.example.org" }],
      notBefore: ISSUED_AT,
      notAfter: ISSUED_AT + 90 * DAY_MS,
      keyType: "ecdsa-p256",
      issuerName: "Test CA",
    },
    leafPem: "leaf",
    chainPem: ["intermediate"],
    keyType: "ecdsa-p256",
    createdAt: ISSUED_AT,
    verifiedAt: ISSUED_AT,
    revokedAt: null,
    droppedNames: [],
    ...patch,
  };
}

export function renewal(patch: Partial<Renewal> = {}): Renewal {
  return {
    id: "11111111-1111-4111-8111-111111111111",
    certificate: "www",
    generation: 1,
    reason: "missing",
    reasonDetail: "",
    trigger: "planner",
    state: "planned",
    issuer: null,
    fence: 0,
    leaseUntil: null,
    priority: 1,
    digest: "digest-1",
    issueDigest: null,
    openClaims: 0,
    attempts: 0,
    retryAt: null,
    nextActionAt: NOW,
    createdAt: NOW,
    finishedAt: null,
    errorCode: null,
    errorMessage: null,
    ...patch,
  };
}

export function deployment(patch: Partial<Deployment> = {}): Deployment {
  return {
    certificate: "www",
    target: "lb",
    wantedGeneration: 1,
    deployedGeneration: 0,
    targetDigest: null,
    deployedAt: null,
    fence: 0,
    leaseUntil: null,
    openClaims: 0,
    attempts: 0,
    nextAttemptAt: null,
    exhausted: false,
    errorCode: null,
    errorMessage: null,
    receipt: null,
    inspectionProblem: null,
    ...patch,
  };
}

export function endpointStatus(patch: Partial<EndpointStatus> = {}): EndpointStatus {
  const [endpoint] = certificate().endpoints;
  return {
    certificate: "www",
    endpoint: endpoint ? endpointKey(endpoint) : "",
    generation: 1,
    proved: true,
    roundEndedAt: NOW,
    errorCode: null,
    errorMessage: null,
    ...patch,
  };
}

/** A planner that runs, started a day ago. */
export function heartbeat(patch: Partial<Heartbeat> = {}): Heartbeat {
  const beatAt = patch.beatAt ?? NOW;
  return {
    process: "web-1/42",
    role: "planner",
    host: "web-1",
    version: "1.0.0",
    digest: "configuration-1",
    configFile: "/etc/renewd/renewd.yaml",
    targets: [],
    vantage: null,
    startedAt: beatAt - DAY_MS,
    beatAt,
    usefulAt: beatAt,
    stoppedAt: null,
    problems: [],
    ...patch,
  };
}

/** A CA that suggests days 50 to 60, of which day 55 was chosen. */
export function renewalInfo(patch: Partial<RenewalInfoRecord> = {}): RenewalInfoRecord {
  return {
    certificate: "www",
    generation: 1,
    windowStart: ISSUED_AT + 50 * DAY_MS,
    windowEnd: ISSUED_AT + 60 * DAY_MS,
    renewAt: ISSUED_AT + 55 * DAY_MS,
    explanationUrl: null,
    polledAt: NOW,
    nextPollAt: NOW + DAY_MS,
    overdueInRow: 0,
    orderedAt: null,
    failures: 0,
    errorCode: null,
    errorMessage: null,
    ...patch,
  };
}

/** One cause behind two certificates, that nobody was notified of yet. */
export function alert(patch: Partial<Alert> = {}): Alert {
  const member = { level: 0, isLast: false, expiresAt: ISSUED_AT + 90 * DAY_MS };
  return {
    ...{ id: "0badcafe", rule: "renewalFailed", cause: "renewal · target lb · deploy.unreachable", severity: "page" },
    place: { issuer: null, solver: null, target: "lb", subject: null },
    ...{ code: "deploy.unreachable", what: "renewal failed: no socket", action: "Repair it.", level: 0, isLast: false },
    members: ["api", "www"].map((name) => ({ certificate: name, ...member })),
    ...{
      affected: ["api", "www"],
      firstBadAt: NOW,
      openedAt: NOW,
      lastBadAt: NOW,
      healthySince: null,
      resolvedAt: null,
    },
    ...{ notifiedAt: null, notified: null, digested: false, channels: [], step: 0, acknowledgement: null },
    ...{ acknowledgements: 0, changed: ["the configuration was reloaded"] },
    ...patch,
  };
}

/** One certificate at one endpoint, that nobody manages. */
export function sighting(certificate: Partial<FoundCertificate> = {}, place: Partial<FoundPlace> = {}): Sighting {
  return {
    certificate: {
      ...{ fingerprint: "f".repeat(64), key: "e".repeat(64), serial: "0A1B", subject: "CN=stray.example.org" },
      ...{
        issuer: "CN=Some CA",
        names: ["stray.example.org"],
        notBefore: ISSUED_AT,
        notAfter: ISSUED_AT + 90 * DAY_MS,
      },
      keyText: "ECDSA P-256",
      ...certificate,
    },
    place: {
      ...{ source: "hosts", place: "stray.example.org at 192.0.2.7:443", target: null },
      endpoint: {
        host: "stray.example.org",
        port: 443,
        address: "192.0.2.7",
        sni: "stray.example.org",
        starttls: null,
      },
      ...place,
    },
  };
}

/** Of the certificates `www` and `api`. */
export function appliedConfiguration(changes: Partial<AppliedConfiguration> = {}): AppliedConfiguration {
  return {
    ...{
      file: "f",
      digest: "d",
      sourceDigest: "1",
      release: "1.0.0",
      process: "p",
      appliedAt: NOW,
      observeMs: 1,
      observedBefore: null,
    },
    ...{
      certificates: 2,
      agentTargets: [],
      uses: { certificates: 2, targets: [], vantages: [], anywhere: false },
      budgets: [],
      limits: {},
      reloads: [],
    },
    ...changes,
  };
}
