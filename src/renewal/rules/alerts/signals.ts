import type { AlertPlace, AlertRule } from "../../../domain/alert.ts";
import type { EventType, HistoryEvent } from "../../../domain/event.ts";
import type { Severity } from "../../../domain/notification.ts";
import { describeEvent } from "../notificationRules.ts";
import { NOWHERE } from "./faults.ts";

/** What an event says of a cause that no certificate's records show. */
export interface Signal {
  readonly rule: AlertRule;
  readonly place: AlertPlace;
  /** `once`: it has no end of its own. */
  readonly phase: "begins" | "ends" | "once";
  readonly certificate: string | null;
  readonly severity: Severity;
  readonly what: string;
  readonly action: string | null;
  /** ms since epoch. */
  readonly at: number;
}

interface SignalRule {
  readonly rule: AlertRule;
  readonly phase: Signal["phase"];
  readonly place: (event: HistoryEvent, issuerOf: IssuerOf) => AlertPlace;
  /** Only some events of the type. */
  readonly when?: (event: HistoryEvent) => boolean;
}

/** Name of the issuer of a certificate; null: it is not configured any more. */
export type IssuerOf = (certificate: string) => string | null;

const at =
  (key: "issuer" | "subject", name: string) =>
  ({ detail }: HistoryEvent): AlertPlace => ({ ...NOWHERE, [key]: textOf(detail[name]) });
const ofHost = ({ worker }: HistoryEvent): AlertPlace => ({ ...NOWHERE, subject: worker.replace(/\/\d+$/, "") });
const ofIssuer = ({ certificate }: HistoryEvent, issuerOf: IssuerOf): AlertPlace => ({
  ...NOWHERE,
  issuer: certificate === null ? null : issuerOf(certificate),
});

const SIGNALS: Partial<Readonly<Record<EventType, SignalRule>>> = {
  "clock.skewed": { rule: "clock", phase: "begins", place: ofHost },
  "clock.recovered": { rule: "clock", phase: "ends", place: ofHost },
  "clock.dissent": { rule: "clockDissent", phase: "begins", place: at("subject", "witness") },
  "clock.dissentOver": { rule: "clockDissent", phase: "ends", place: at("subject", "witness") },
  "planner.partFailed": { rule: "plannerPart", phase: "begins", place: at("subject", "part") },
  "planner.partRecovered": { rule: "plannerPart", phase: "ends", place: at("subject", "part") },
  "account.replaced": { rule: "accountReplaced", phase: "once", place: at("issuer", "issuer") },
  "store.rolledBack": { rule: "historyLost", phase: "once", place: () => NOWHERE },
  "history.pruneStopped": { rule: "historyLost", phase: "once", place: () => NOWHERE },
  "history.accepted": { rule: "historyLost", phase: "ends", place: () => NOWHERE },
  "renewalInfo.ignored": {
    ...{ rule: "windowDistrusted", phase: "once", place: ofIssuer },
    when: ({ detail }) => detail.distrusted === true,
  },
  "renewalInfo.suggested": {
    ...{ rule: "windowMoved", phase: "once", place: ofIssuer },
    when: ({ detail }) => detail.moved === true,
  },
  "issue.fallback": { rule: "issuerFallback", phase: "once", place: at("issuer", "from") },
  "version.revoked": { rule: "versionRevoked", phase: "once", place: ofIssuer },
  "certificate.overtaken": { rule: "certificateOvertaken", phase: "once", place: () => NOWHERE },
  "certificate.instantCorrected": { rule: "instantCorrected", phase: "once", place: () => NOWHERE },
  "target.drifted": {
    ...{ rule: "targetDrifted", phase: "once" },
    place: ({ target }) => ({ ...NOWHERE, target }),
  },
  "discovery.found": {
    ...{ rule: "discovered", phase: "once" },
    place: ({ detail }) => ({ ...NOWHERE, subject: `${textOf(detail.kind)} in ${textOf(detail.source)}` }),
  },
  "process.fault": { rule: "processFault", phase: "once", place: at("subject", "role") },
};

/** What happened to a certificate: its records are judged again. */
const TRIGGERS: readonly EventType[] = [
  "renewal.failed",
  "renewal.held",
  "renewal.resumed",
  "renewal.rolledBack",
  "renewal.succeeded",
  "renewal.cancelled",
  "verify.stale",
  "verify.converged",
  "certificate.expiring",
  "certificate.unplannable",
  "certificate.plannable",
  "certificate.rehearsed",
  "certificate.noIssuer",
  "certificate.configured",
  "certificate.removed",
  "version.imported",
  "watch.changed",
];

/** Every event that alerts are made of. */
export const JUDGED_EVENTS: readonly EventType[] = [...TRIGGERS, ...(Object.keys(SIGNALS) as EventType[])];

/** null: it says something of a certificate's records only. */
export function signalOf(event: HistoryEvent, issuerOf: IssuerOf): Signal | null {
  const signal = SIGNALS[event.type];
  if (signal === undefined || signal.when?.(event) === false) return null;
  const { severity, message, action } = describeEvent(event) ?? { severity: "info", message: event.type, action: null };
  const { rule, phase, place } = signal;
  const { certificate, at: instant } = event;
  return { rule, phase, place: place(event, issuerOf), certificate, severity, what: message, action, at: instant };
}

function textOf(value: HistoryEvent["detail"][string] | undefined): string | null {
  return value === undefined || value === null ? null : String(value);
}
