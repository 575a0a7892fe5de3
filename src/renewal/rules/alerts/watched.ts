import type { AlertPlace, AlertRule } from "../../../domain/alert.ts";
import type { Thresholds } from "../../../domain/alertSettings.ts";
import type { ServedCertificate } from "../../../domain/endpoint.ts";
import { ERRORS, isErrorCode } from "../../../domain/errorTable.ts";
import type { Severity } from "../../../domain/notification.ts";
import { formatAgo, formatDuration, formatInstant } from "../../../domain/time.ts";
import type { WatchedEndpoint, WatchState } from "../../../domain/watched.ts";
import { watchedMember } from "../watched.ts";
import { type Fault, NOWHERE } from "./faults.ts";
import { crossed } from "./thresholds.ts";

/** Somebody else's attempts are not known, so only the life that is left counts. */
const ATTEMPTS_UNKNOWN = Number.POSITIVE_INFINITY;

const SEVERITIES: Partial<Readonly<Record<WatchState, Severity>>> = {
  ...{ notValid: "page", wrongCertificate: "page", badChain: "page", ending: "warning" },
  ...{ stale: "warning", unreachable: "warning" },
};

/** What is wrong with a watched endpoint; null: nothing that people are notified of. Pure. */
export function watchedFault(watched: WatchedEndpoint, thresholds: Thresholds, now: number): Fault | null {
  const { look } = watched;
  if (look === null) return null;
  const ending = endingFault(watched, thresholds, now);
  if (ending !== null) return ending;
  const severity = SEVERITIES[look.state];
  if (severity === undefined || look.problem === null) return null;
  const { code, message } = look.problem;
  const { host, port } = watched.endpoint;
  // What does not answer, does so for all names that it serves.
  const subject = look.state === "unreachable" ? `${host}:${port}` : watched.key;
  return {
    ...faultOf(watched, "watchedEndpoint", { ...NOWHERE, subject }),
    ...{ code, severity, what: message, action: isErrorCode(code) ? ERRORS[code].action : null },
  };
}

/** One certificate that many endpoints serve is one cause. */
function endingFault(watched: WatchedEndpoint, thresholds: Thresholds, now: number): Fault | null {
  const { state } = watched.look ?? {};
  const served = firstToEnd(watched);
  if (served === null || (state !== "ending" && now < served.notAfter)) return null;
  const life = Math.min(1, Math.max(0, (served.notAfter - now) / Math.max(1, served.notAfter - served.notBefore)));
  const left = { life, attempts: ATTEMPTS_UNKNOWN, expiresAt: served.notAfter };
  const { level, isLast } = crossed(left, thresholds, now);
  const isOver = served.notAfter <= now;
  const ends = isOver
    ? `expired ${formatAgo(now - served.notAfter)}`
    : `expires in ${formatDuration(served.notAfter - now)}`;
  const subject = `serial ${served.serial} by ${served.issuer}`;
  return {
    ...faultOf(watched, "watchedExpiring", { ...NOWHERE, subject }),
    ...{ severity: isOver || isLast ? "page" : "warning", level, isLast, expiresAt: served.notAfter },
    what: `is served with a certificate that ${ends} (${formatInstant(served.notAfter)}): ${subject}`,
    action: ERRORS["verify.ending"].action,
  };
}

function firstToEnd({ look }: WatchedEndpoint): ServedCertificate | null {
  const served = (look?.addresses ?? []).flatMap(({ observation }) => observation.served ?? []);
  return served.toSorted((a, b) => a.notAfter - b.notAfter)[0] ?? null;
}

function faultOf(watched: WatchedEndpoint, rule: AlertRule, place: AlertPlace): Omit<Fault, "what" | "action"> {
  const base = { code: null, severity: "warning", level: 0, isLast: false } as const;
  return { ...base, rule, place, certificate: watchedMember(watched), expiresAt: watched.look?.expiresAt ?? null };
}
