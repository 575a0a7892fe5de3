import type { Severity } from "./notification.ts";

/** When and to whom alerts are sent. Durations in ms. */
export interface AlertSettings {
  /** A cause that lasts no longer is not notified of. */
  readonly openAfterMs: number;
  /** It is over when it has been gone for this long. */
  readonly resolveAfterMs: number;
  /** More openings within `windowMs` become one digest. */
  readonly storm: { readonly alertsMax: number; readonly windowMs: number };
  readonly quietHours: QuietHours | null;
  readonly thresholds: Thresholds;
  /** In their order. */
  readonly escalation: readonly EscalationStep[];
  /** So long after the last step they begin again, each with its own delay; null: never. */
  readonly escalateAgainMs: number | null;
  readonly routes: readonly AlertRoute[];
  /** Whether a heartbeat is configured. */
  readonly heartbeat: boolean;
  readonly canary: { readonly certificate: string; readonly everyMs: number } | null;
  /** A certificate that is broken on purpose, to see who acknowledges; null: none is. */
  readonly exercise: ExerciseSettings | null;
  /** Between two tries of each channel; null: never by itself. */
  readonly selfTestMs: number | null;
  /** Where people reach the pages, without a slash at its end; null: no link is sent. */
  readonly webUrl: string | null;
  /** Of renewd. */
  readonly version: string;
}

export interface ExerciseSettings {
  readonly certificate: string;
  readonly everyMs: number;
  /** How long people have. */
  readonly acknowledgeMs: number;
}

/** From `from` to `until` each day, in the time zone; over midnight where `until` is earlier. Minutes of the day. */
export interface QuietHours {
  readonly fromMinute: number;
  readonly untilMinute: number;
  readonly timeZone: string;
  /** Up to this severity messages wait for the end. Those at a last threshold never do. */
  readonly holds: Severity;
}

/** In falling order. Each crossing is a message. */
export interface Thresholds {
  /** Fractions of this certificate's life that are left, 0 to 1. */
  readonly lifeLeft: readonly number[];
  /** Renewal attempts that fit before it expires. */
  readonly attemptsLeft: readonly number[];
}

export interface EscalationStep {
  /** After the first message, while nobody has acknowledged. */
  readonly afterMs: number;
  readonly channels: readonly string[];
  /** Only alerts at least this severe. */
  readonly from: Severity;
}

/** Where alerts go that fit every key given. */
export interface AlertRoute {
  readonly severity: Severity | null;
  /** Of any certificate behind the alert; `*` stands for any characters. */
  readonly certificates: readonly string[];
  readonly issuers: readonly string[];
  readonly targets: readonly string[];
  readonly teams: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly channels: readonly string[];
}
