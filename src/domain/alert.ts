import type { Severity } from "./notification.ts";

/** What can raise an alert. `renewd alerts rules` shows each with when it last did. */
export const ALERT_RULES = [
  "renewalFailed",
  "renewalHeld",
  "endpointStale",
  "expiring",
  "watchedEndpoint",
  "watchedExpiring",
  "watchSilent",
  "vantageSilent",
  "unplannable",
  "noIssuer",
  "rehearsalFailed",
  "canary",
  "clock",
  "clockDissent",
  "plannerPart",
  "channel",
  "heartbeat",
  "peer",
  "exercise",
  "exerciseUnanswered",
  "horizon",
  "accountReplaced",
  "historyLost",
  "windowDistrusted",
  "windowMoved",
  "issuerFallback",
  "versionRevoked",
  "certificateOvertaken",
  "instantCorrected",
  "targetDrifted",
  "processFault",
  "processLost",
  "discovered",
] as const;
export type AlertRule = (typeof ALERT_RULES)[number];

export function isAlertRule(name: string): name is AlertRule {
  return ALERT_RULES.some((each) => each === name);
}

/** Where a cause is. null: it has nothing to do with one. */
export interface AlertPlace {
  readonly issuer: string | null;
  readonly solver: string | null;
  readonly target: string | null;
  /** A domain, a certificate, a channel or a part of renewd, where the cause is its own. */
  readonly subject: string | null;
}

/** Who has taken an alert on. */
export interface AlertAcknowledgement {
  readonly by: string | null;
  readonly reason: string;
  /** ms since epoch. */
  readonly at: number;
  readonly via: "terminal" | "page" | "api" | "link";
}

/** One cause, and the certificates behind it. Instants are ms since epoch. */
export interface Alert {
  /** Eight hexadecimal digits. */
  readonly id: string;
  readonly rule: AlertRule;
  /** Issuer, solver, target and error code in one text: failures with the same are one alert. */
  readonly cause: string;
  readonly place: AlertPlace;
  readonly code: string | null;
  readonly severity: Severity;
  /** One line; it may quote a CA, a target or an endpoint. */
  readonly what: string;
  readonly action: string | null;
  /** In order of their names; empty: it is about renewd itself. */
  readonly members: readonly AlertMember[];
  /** The members while there were any: what is over names them still. */
  readonly affected: readonly string[];
  /** The highest of its members: how many thresholds were crossed. */
  readonly level: number;
  /** It is at a last threshold: nothing holds its messages back. */
  readonly isLast: boolean;
  readonly firstBadAt: number;
  readonly openedAt: number;
  /** When the cause was last seen, for those that have no end of their own. */
  readonly lastBadAt: number;
  /** Since when the cause has been gone; null: it is there. */
  readonly healthySince: number | null;
  readonly resolvedAt: number | null;
  /** When people were first notified; null: not yet. */
  readonly notifiedAt: number | null;
  /** What they were last notified of. */
  readonly notified: { readonly severity: Severity; readonly level: number; readonly members: number } | null;
  /** It was part of a digest instead of a message of its own. */
  readonly digested: boolean;
  /** The channels that have been sent it. */
  readonly channels: readonly string[];
  /** Escalation steps taken. */
  readonly step: number;
  readonly acknowledgement: AlertAcknowledgement | null;
  /** How often it was acknowledged: a link is good for one. */
  readonly acknowledgements: number;
  /** What changed shortly before it began, for people. */
  readonly changed: readonly string[];
}

export interface AlertMember {
  readonly certificate: string;
  readonly level: number;
  readonly isLast: boolean;
  /** ms since epoch; null: nothing was issued. */
  readonly expiresAt: number | null;
}

/** Whether a message reached a channel. */
export interface AlertReceipt {
  readonly channel: string;
  /** Sequence number of the event that was the message. */
  readonly seq: number;
  /** null: the message was about no alert. */
  readonly alert: string | null;
  /** ms since epoch. */
  readonly at: number;
  readonly outcome: "sent" | "givenUp";
  /** Why it was given up. */
  readonly error: string | null;
}

/** The last try of a channel by itself. */
export interface SelfTest {
  readonly at: number;
  readonly error: string | null;
}

/** What the alert engine knows besides alerts. Instants are ms since epoch. */
export interface AlertState {
  /** Every event up to this number has been judged; null: none yet. */
  readonly seq: number | null;
  /** When all members of open alerts, and all records, were last judged. */
  readonly judgedAt: number;
  readonly scannedAt: number;
  /** Openings people were notified of lately. */
  readonly recent: readonly number[];
  /** What issuers, targets and renewd were defined as: `issuer le` to its directory. */
  readonly definitions: Readonly<Record<string, string>>;
  readonly selfTests: Readonly<Record<string, SelfTest>>;
  /** The last `canary` renewal that was asked for. */
  readonly canaryAt: number | null;
  /** When the last weekly report was due; of the first, a week before it. null: none was. */
  readonly reportAt: number | null;
}

export interface AlertFilter {
  /** Also those that are over. */
  readonly all: boolean;
  readonly limit: number;
}

export interface AlertStore {
  /** Inside a transaction: nobody else changes alerts until it ends. */
  lock(): Promise<AlertState>;
  state(): Promise<AlertState>;
  saveState(state: AlertState): Promise<void>;
  /** Newest first. A row that somebody else wrote is left out. */
  list(filter: AlertFilter): Promise<Alert[]>;
  open(): Promise<Alert[]>;
  get(id: string): Promise<Alert | null>;
  save(alert: Alert): Promise<void>;
  /** When each rule last raised an alert. */
  lastRaised(): Promise<ReadonlyMap<string, number>>;
  receipt(channel: string, seq: number): Promise<AlertReceipt | null>;
  receipts(filter: { readonly alerts?: readonly string[]; readonly limit: number }): Promise<AlertReceipt[]>;
  record(receipt: AlertReceipt): Promise<void>;
  /** Removes what ended before. */
  forget(before: number): Promise<void>;
  /** A code over the text that only holders of the master key can make. */
  sign(text: string): string;
}

export const NEW_ALERT_STATE: AlertState = {
  seq: null,
  judgedAt: 0,
  scannedAt: 0,
  recent: [],
  definitions: {},
  selfTests: {},
  canaryAt: null,
  reportAt: null,
};
