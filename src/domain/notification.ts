import type { EventType } from "./event.ts";
import type { Criticality, Responsibility } from "./responsibility.ts";
import type { WrittenReport } from "./weeklyReport.ts";

/** `page`: a person is needed now. */
export const SEVERITIES = ["info", "warning", "page"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** A message to people about one event of the history. */
export interface Notification {
  /**
   * The event's sequence number and instant: a channel may get one twice, under the same id. A history that is put back
   * counts again from an earlier number.
   */
  readonly id: string;
  /** ms since epoch. */
  readonly at: number;
  readonly severity: Severity;
  readonly event: EventType | "test";
  readonly certificate: string | null;
  readonly renewalId: string | null;
  readonly target: string | null;
  /** One line. It may quote a CA, a target or an endpoint. */
  readonly message: string;
  /** What the reader should do; null: nothing. */
  readonly action: string | null;
  /**
   * What the message is about, such as `certificate/www`: messages about the same are one alert to an alerting service.
   */
  readonly alert: string;
  /** What earlier messages about it reported is over. */
  readonly resolves: boolean;
  /** How severe the messages before it were, about the same. Absent: there were none, or it is not known. */
  readonly severityBefore?: Severity;
  /** Who answers for what it is about; null: it is about renewd itself. */
  readonly responsibility: Responsibility | null;
  /** Only these channels are sent it; their `from` is ignored. Absent: all that want it. */
  readonly channels?: readonly string[];
  /** Short facts for people, by their name. */
  readonly more?: readonly (readonly [string, string])[];
  /** It is the report of the week that ended then (ms since epoch). */
  readonly reportUntil?: number;
  /** A longer text for channels that carry one; its title is `message`. */
  readonly report?: WrittenReport;
  /** What its reader can acknowledge, and how often that was done before. */
  readonly acknowledge?: { readonly alert: string; readonly acknowledgements: number };
  /** Where its reader acknowledges without signing in; good once, and for a short time. */
  readonly acknowledgeUrl?: string;
}

/** Of several values one must fit; of several keys all. */
export interface Concern {
  readonly owners?: readonly string[] | undefined;
  readonly teams?: readonly string[] | undefined;
  /** `key=value` */
  readonly labels?: readonly string[] | undefined;
  readonly criticality?: readonly Criticality[] | undefined;
}

/** A way to reach people. */
export interface Channel {
  /** Least severe notification it wants. */
  readonly from: Severity;
  /** An alert stays open there until it is resolved, so it is sent what resolves one, whatever `from` says. */
  readonly keepsAlerts: boolean;
  /** With `keepsAlerts`: it is sent acknowledgements too, so that its own escalation stops. */
  readonly takesAcknowledgements?: boolean;
  /** With `keepsAlerts`: it forgets alerts when it restarts, so open ones are sent again this often. */
  readonly repeatMs?: number;
  /** Whose certificates and targets it is about; left out: everybody's. */
  readonly about?: Concern;
  /** Throws `notify.failed` while the receiver cannot take it, `notify.refused` when it never will. */
  send(notification: Notification, signal: AbortSignal): Promise<void>;
}

/** Up to which event a channel has been notified. Instants are ms since epoch. */
export interface ChannelCursor {
  readonly channel: string;
  /** Sequence number of the last event that was sent to it or was not for it. */
  readonly seq: number;
  readonly leaseUntil: number | null;
  readonly failures: number;
  readonly nextAttemptAt: number | null;
  /** With no failures: why the last message was given up. */
  readonly lastErrorMessage: string | null;
}

export interface ClaimTerms {
  readonly leaseMs: number;
  /** The longest back-off there is. */
  readonly retryMaxMs: number;
}

export interface CursorStore {
  list(): Promise<ChannelCursor[]>;
  /** Forgets all other channels: one that comes back later starts after the newest event. */
  retain(channels: readonly string[]): Promise<void>;
  /**
   * Takes the channel for `leaseMs`; a new one starts after the newest event. Null: another process has it, or it backs
   * off. A lease or back-off that is longer than possible was written by a wrong clock and counts as over.
   */
  claim(channel: string, now: number, terms: ClaimTerms): Promise<ChannelCursor | null>;
  /** The channel was seen to work: what waits for the end of its back-off is sent at once. */
  retryNow(channel: string): Promise<void>;
  /** Releases the channel. False: the lease ran out and another process has it; nothing was written. */
  release(
    claimed: ChannelCursor,
    patch: Pick<ChannelCursor, "seq" | "failures" | "nextAttemptAt" | "lastErrorMessage">,
  ): Promise<boolean>;
}
