import { addressGate } from "../../domain/addressRange.ts";
import type { AlertSettings } from "../../domain/alertSettings.ts";
import type { UndialablePolicy } from "../../domain/endpoint.ts";
import { DAY_MS } from "../../domain/time.ts";
import { DEFAULT_ALERTS } from "./alerts/settings.ts";
import { LADDERS_MS } from "./backoff.ts";
import type { ProofTerms } from "./proof.ts";

export interface RenewalSettings {
  /** How long a claim lasts without extension; also the longest delay until another worker takes over after a crash. */
  readonly leaseMs: number;
  /** The sweep enqueues work again if nobody claimed it for this long. */
  readonly requeueMs: number;
  /** How long one planning run may take; certificates that are left are due at the next one. */
  readonly planBudgetMs: number;
  /** Certificates read, and renewals swept, at a time. */
  readonly batch: number;
  readonly issueAttemptsMax: number;
  readonly deployAttemptsMax: number;
  /** Delay before attempt 2, 3, …; the last one repeats. */
  readonly backoffMs: readonly number[];
  /** What proves one address. */
  readonly proof: ProofTerms;
  readonly undialable: UndialablePolicy;
  /** Whether what renewd issues is proved only with a chain to a trusted root. */
  readonly trusted: boolean;
  /** Whether an address may be dialled for an endpoint that renewd only watches: a public one, or one in `discovery.allow`. */
  readonly mayDial: (address: string) => boolean;
  /** Between two observations of the endpoints of a certificate that is not being renewed. */
  readonly observeMs: number;
  /** Connections of one such look to each address. */
  readonly lookConnections: number;
  /** Between two rehearsals of a certificate; REHEARSAL_OFF: no automatic rehearsals. */
  readonly rehearseMs: number;
  readonly retention: RetentionSettings;
  readonly alerts: AlertSettings;
  /** Claims without an outcome after which a certificate is quarantined. */
  readonly crashesMax: number;
}

export interface RetentionSettings {
  /** How long events stay, and what they are about. */
  readonly historyMs: number;
  /** How long the private key of a superseded pair stays after the pair has expired. */
  readonly keysMs: number;
}

export const REHEARSAL_OFF = Number.POSITIVE_INFINITY;

export const DEFAULT_SETTINGS: RenewalSettings = {
  leaseMs: 9_000,
  requeueMs: 5_000,
  planBudgetMs: 5_000,
  batch: 200,
  issueAttemptsMax: 5,
  deployAttemptsMax: 4,
  backoffMs: LADDERS_MS.renewal,
  proof: { connections: 40, spreadMs: 10_000 },
  undialable: "report",
  trusted: false,
  mayDial: addressGate([]),
  observeMs: 600_000,
  lookConnections: 10,
  rehearseMs: REHEARSAL_OFF,
  alerts: DEFAULT_ALERTS,
  retention: { historyMs: 400 * DAY_MS, keysMs: 7 * DAY_MS },
  crashesMax: 5,
};
