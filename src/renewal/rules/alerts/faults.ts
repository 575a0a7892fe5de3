import type { AlertPlace, AlertRule } from "../../../domain/alert.ts";
import type { AlertSettings } from "../../../domain/alertSettings.ts";
import type { Certificate, CertificateRecord } from "../../../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../../../domain/deployment.ts";
import { endpointKey } from "../../../domain/endpoint.ts";
import { ERRORS, type ErrorCode, isErrorCode } from "../../../domain/errorTable.ts";
import type { Severity } from "../../../domain/notification.ts";
import type { Renewal } from "../../../domain/renewal.ts";
import { DAY_MS, formatDuration, formatInstant } from "../../../domain/time.ts";
import type { Version } from "../../../domain/version.ts";
import { expectedGeneration, isWatchedOnly } from "../served.ts";
import { expiryWarningAt } from "../window.ts";
import { crossed, type Left, leftOf } from "./thresholds.ts";

/** What the rules judge of one certificate. */
export interface CertificateFacts {
  readonly certificate: Certificate;
  readonly record: CertificateRecord;
  /** The latest. */
  readonly version: Version | null;
  /** What clients get. */
  readonly inUse: { readonly leaf: Pick<Version["leaf"], "notBefore" | "notAfter"> } | null;
  readonly active: Renewal | null;
  /** The newest that ended; null: none. */
  readonly last: Renewal | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
  /** It was broken on purpose, and is not proved live again. */
  readonly isExercised: boolean;
  /** Why nothing newer is in use, as the planner said when it warned of the expiry. */
  readonly whyExpiring: string | null;
}

/** Something that is wrong now. */
export interface Fault {
  readonly rule: AlertRule;
  /** null: with renewd itself. */
  readonly certificate: string | null;
  readonly place: AlertPlace;
  readonly code: string | null;
  readonly severity: Severity;
  readonly what: string;
  readonly action: string | null;
  readonly level: number;
  readonly isLast: boolean;
  readonly expiresAt: number | null;
  /** The escalation step that it begins with; left out: none was taken. */
  readonly step?: number;
}

export const NOWHERE: AlertPlace = { issuer: null, solver: null, target: null, subject: null };

/** A renewal that has failed this often in a row does not heal by itself. */
const FAILURES_PAGE = 3;
/** Any failure of a certificate this close to its end is a page. */
const RUNWAY_PAGE_MS = 3 * DAY_MS;

type Found = Pick<Fault, "rule" | "place" | "code" | "what"> & {
  /** null: that of the code. */
  readonly action?: string;
  readonly severity: Severity;
};
type Check = (facts: CertificateFacts, now: number) => Found | null;

/** In this order; the first that fits is the certificate's fault, so one trouble never is two alerts. */
const CHECKS: readonly Check[] = [unplannable, noIssuer, held, failed, stale, expiring, rehearsal];

/** What is wrong with a certificate; null: nothing that people are notified of. Pure. */
export function faultOf(
  facts: CertificateFacts,
  settings: Pick<AlertSettings, "thresholds" | "canary">,
  ladder: { readonly backoffMs: readonly number[] },
  now: number,
): Fault | null {
  if (facts.record.removedAt !== null) return null;
  const found =
    CHECKS.map((check) => check(facts, now)).find((each) => each !== null) ?? silentCanary(facts, settings, now);
  if (found === null) return null;
  if (facts.isExercised && found.rule === "endpointStale") return exercised(facts, found);
  const { record, inUse, certificate } = facts;
  const person = found.code !== null && isErrorCode(found.code) && ERRORS[found.code].retry === "never";
  const left = leftOf(inUse?.leaf ?? null, { ...record, needsPerson: person }, ladder, now);
  const { level, isLast } = crossed(left, settings.thresholds, now);
  const isCanary = settings.canary?.certificate === certificate.name;
  return {
    ...found,
    rule: isCanary ? "canary" : found.rule,
    certificate: certificate.name,
    action: found.action ?? actionOf(found.code),
    // A canary is there to be looked after at once.
    severity: isLast || isCanary ? "page" : found.severity,
    what: `${found.what}${leftText(left, level, now)}`,
    level,
    isLast,
    expiresAt: left.expiresAt,
  };
}

/** As real as any, but a cause of its own and a page: it is to reach whom the worst reaches. */
function exercised({ certificate: { name } }: CertificateFacts, { what }: Found): Fault {
  return {
    ...{ rule: "exercise", certificate: name, place: { ...NOWHERE, subject: name }, code: null, severity: "page" },
    what,
    action: "Acknowledge this: it is an exercise, which ends then, and renewd puts the certificate right by itself.",
    ...{ level: 0, isLast: false, expiresAt: null },
  };
}

/** Failures with the same are one alert. */
export function causeOf({ rule, place, code }: Pick<Fault, "rule" | "place" | "code">): string {
  const parts = [
    RENEWAL_RULES.includes(rule) ? "renewal" : rule,
    place.issuer === null ? "" : `issuer ${place.issuer}`,
    place.solver === null ? "" : `solver ${place.solver}`,
    place.target === null ? "" : `target ${place.target}`,
    place.subject ?? "",
    code ?? "",
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

/** A held renewal and one that failed with the same error at the same place have one cause. */
const RENEWAL_RULES: readonly AlertRule[] = ["renewalFailed", "renewalHeld", "endpointStale"];

function unplannable({ record, certificate }: CertificateFacts): Found | null {
  if (record.planErrorCode === null) return null;
  const place = { ...NOWHERE, subject: record.planErrorCode.startsWith("store.") ? null : certificate.name };
  return {
    ...{ rule: "unplannable", place, code: record.planErrorCode, severity: "page" },
    what: `cannot be planned, so nothing renews it: ${record.planErrorMessage ?? "no message was recorded"}`,
  };
}

function noIssuer({ certificate }: CertificateFacts): Found | null {
  if (!certificate.allDistrusted) return null;
  return {
    ...{ rule: "noIssuer", place: { ...NOWHERE, issuer: certificate.issuer }, code: null, severity: "page" },
    what: `nothing can renew it: every issuer it names is distrusted (${[certificate.issuer, ...certificate.fallbacks].join(", ")})`,
    action: "Name another issuer for it in the configuration, then reload.",
  };
}

function held(facts: CertificateFacts): Found | null {
  const { active } = facts;
  if (active?.state !== "held" || active.errorCode === null) return null;
  return {
    ...{ rule: "renewalHeld", code: active.errorCode, place: placeOf(active.errorCode, facts), severity: "page" },
    what: `renewal held: ${active.errorMessage ?? "no message was recorded"}`,
  };
}

function failed(facts: CertificateFacts, now: number): Found | null {
  const { record, inUse } = facts;
  if (record.failures === 0 || record.lastErrorCode === null) return null;
  const code = record.lastErrorCode;
  const { class: errorClass } = ERRORS[isErrorCode(code) ? code : "internal.bug"];
  const isForPerson = errorClass === "internal" || errorClass === "configuration" || errorClass === "caa";
  const runwayMs = inUse === null ? Number.POSITIVE_INFINITY : inUse.leaf.notAfter - now;
  const isLate = record.failures >= FAILURES_PAGE || runwayMs < RUNWAY_PAGE_MS;
  return {
    ...{ rule: "renewalFailed", code, place: placeOf(code, facts) },
    severity: isForPerson || isLate || code === "deploy.rolledBack" ? "page" : "warning",
    what: `renewal failed: ${record.lastErrorMessage ?? "no message was recorded"}`,
  };
}

/** Inside a renewal, the renewal's own end is notified of. */
function stale(facts: CertificateFacts): Found | null {
  const { active, version, endpoints, certificate } = facts;
  const generation = expectedGeneration(certificate, version);
  if (active !== null || generation === null) return null;
  const keys = certificate.endpoints.map(endpointKey);
  const status = endpoints.find(
    (each) => each.generation === generation && !each.proved && each.errorCode !== null && keys.includes(each.endpoint),
  );
  if (status === undefined || status.errorCode === null) return null;
  return {
    ...{ rule: "endpointStale", code: status.errorCode, place: placeOf(status.errorCode, facts), severity: "warning" },
    what: `${status.endpoint} ${isWatchedOnly(certificate, version) ? "needs a look" : "does not serve it"}: ${status.errorMessage ?? "no message was recorded"}`,
  };
}

function expiring({ inUse, whyExpiring, certificate }: CertificateFacts, now: number): Found | null {
  if (inUse === null || now < expiryWarningAt(inUse.leaf)) return null;
  const { notAfter } = inUse.leaf;
  const ends = notAfter <= now ? "has expired" : `expires in ${formatDuration(notAfter - now)}`;
  const why = whyExpiring ?? "nothing newer is in use";
  return {
    ...{ rule: "expiring", place: { ...NOWHERE, issuer: certificate.issuer }, code: null, severity: "page" },
    what: `${ends} (${formatInstant(notAfter)}) and nothing newer is proved live: ${why}`,
    action:
      certificate.mode === "observe"
        ? "See why what renews it has not: renewd only observes it."
        : `Fix what \`renewd status\` says, or renew at once: \`renewd renew ${certificate.name} --force --wait\`.`,
  };
}

function rehearsal({ record, certificate }: CertificateFacts): Found | null {
  if (record.rehearsalProblem === null) return null;
  return {
    ...{ rule: "rehearsalFailed", place: { ...NOWHERE, subject: certificate.name }, code: null, severity: "warning" },
    what: `rehearsal failed: ${record.rehearsalProblem}`,
  };
}

/** Half an interval later than it should have been proved, without any failure that says why. */
function silentCanary(
  { certificate, version }: CertificateFacts,
  { canary }: Pick<AlertSettings, "canary">,
  now: number,
): Found | null {
  if (canary?.certificate !== certificate.name || version === null) return null;
  const sinceMs = now - (version.verifiedAt ?? version.createdAt);
  if (sinceMs < canary.everyMs * CANARY_LATE) return null;
  return {
    ...{ rule: "canary", place: { ...NOWHERE, subject: certificate.name }, code: null, severity: "page" },
    what: `the canary was last proved ${formatDuration(sinceMs)} ago: renewing has stopped, or is held back`,
    action: "See why with `renewd status` and `renewd plan`; every other certificate may be in the same way soon.",
  };
}

const CANARY_LATE = 1.5;

/** The domain or certificate itself is the cause, not the issuer that says so. */
const OF_DOMAIN: readonly string[] = [
  "acme.caa",
  "acme.rejectedIdentifier",
  "dns.noZone",
  "dns.delegation",
  "dns.badName",
];
const OF_CERTIFICATE: readonly string[] = ["acme.badCsr", "acme.ownCsr", "acme.profile", "internal.crashLoop"];
/** The CA could not see the answer that the solver gave. */
const OF_SOLVER =
  /^(?:solver|dns|challenge|http01|tlsAlpn01|dnsServer)\.|^acme\.(?:unauthorized|dns|challengeConnection)$/;

/** Where a failure with this code comes from. */
export function placeOf(
  code: string,
  {
    certificate,
    active,
    last,
    deployments,
    endpoints,
  }: Pick<CertificateFacts, "certificate" | "active" | "last" | "deployments" | "endpoints">,
): AlertPlace {
  if (OF_CERTIFICATE.includes(code)) return { ...NOWHERE, subject: certificate.name };
  if (OF_DOMAIN.includes(code)) {
    const domains = certificate.registeredDomains.join(", ");
    return { ...NOWHERE, subject: domains === "" ? certificate.name : domains };
  }
  if (OF_SOLVER.test(code)) return { ...NOWHERE, solver: certificate.solvers[0] ?? null };
  if (code.startsWith("acme.")) return { ...NOWHERE, issuer: active?.issuer ?? last?.issuer ?? certificate.issuer };
  const row = deployments.find(
    ({ target, errorCode, deployedGeneration, wantedGeneration }) =>
      certificate.targets.includes(target) &&
      (errorCode === code || (code === "deploy.unattended" && deployedGeneration < wantedGeneration)),
  );
  if (row !== undefined) return { ...NOWHERE, target: row.target };
  if (!code.startsWith("deploy.") && !code.startsWith("verify.")) return NOWHERE;
  const status = endpoints.find(({ errorCode, proved }) => !proved && errorCode === code);
  const endpoint = certificate.endpoints.find((each) => endpointKey(each) === status?.endpoint);
  const target = endpoint?.target ?? (certificate.targets.length === 1 ? certificate.targets[0] : null) ?? null;
  if (target !== null) return { ...NOWHERE, target };
  return { ...NOWHERE, subject: endpoint === undefined ? certificate.name : `${endpoint.host}:${endpoint.port}` };
}

function actionOf(code: string | null): string | null {
  return code !== null && isErrorCode(code) ? ERRORS[code satisfies ErrorCode].action : null;
}

function leftText({ life, attempts, expiresAt }: Left, level: number, now: number): string {
  if (level === 0 || life === null || expiresAt === null || expiresAt <= now) return "";
  return ` (${Math.round(life * 100)} % of its life and ${attempts === 99 ? "over 98" : attempts} attempts left)`;
}
