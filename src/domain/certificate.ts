import type { Endpoint } from "./endpoint.ts";
import type { Identifier } from "./identifier.ts";
import type { Maintenance } from "./maintenance.ts";
import type { Responsibility } from "./responsibility.ts";
import type { SecretReference } from "./secretReference.ts";

export const KEY_TYPES = ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** When a certificate's renewal window opens; by fraction, so that 6-day and 398-day lifetimes work alike. */
export interface RenewalPolicy {
  /** Fraction of the lifetime left when the window opens (0–1); null: ⅓, or ½ for lifetimes below 10 days. */
  readonly renewAtFractionLeft: number | null;
  /**
   * Fraction of the window over which renewals are spread (0–1), so that a fleet issued together does not renew
   * together.
   */
  readonly jitterFraction: number;
}

/** Targets deployed together; the next wave starts only when this one is proved live. */
export interface Wave {
  readonly targets: readonly string[];
  /** The wave is proved again this long after it was deployed, and only then does the next one start. */
  readonly bakeMs: number;
  /** Targets and endpoints of the wave that may fail without stopping the renewal. */
  readonly failureBudget: number;
}

/**
 * What happens when more of a wave fails than its budget allows. `fail`: the renewal ends, and the planner returns to
 * the targets that are behind. `hold`: later waves keep the old pair until a person decides. `rollBack`: the last
 * proved pair goes back everywhere.
 */
export const WAVE_FAILURES = ["fail", "hold", "rollBack"] as const;
export type WaveFailure = (typeof WAVE_FAILURES)[number];

/** The files of an own signing request and its key. Read only when ordering, so that other machines need neither. */
export interface CsrSource {
  /** Absolute. */
  readonly file: string;
  readonly privateKey: SecretReference;
}

/** `observe`: renewd watches and plans, and neither orders nor deploys. */
export const CERTIFICATE_MODES = ["renew", "observe"] as const;
export type CertificateMode = (typeof CERTIFICATE_MODES)[number];

/** What should exist: comes from configuration, never from the database. */
export interface Certificate {
  readonly name: string;
  readonly identifiers: readonly Identifier[];
  /** Domains below a public suffix (or addresses) that the identifiers belong to: CAs count certificates by them. */
  readonly registeredDomains: readonly string[];
  /** Name of the issuer in configuration. */
  readonly issuer: string;
  /** Issuers to order from, in this order, when `issuer` cannot issue. */
  readonly fallbacks: readonly string[];
  /**
   * Directory URLs of `issuer` and `fallbacks`, in this order: a CA is known by its directory, the names are labels.
   */
  readonly issuerDirectories: readonly string[];
  readonly mode: CertificateMode;
  readonly keyType: KeyType;
  /** Issue without dead names instead of failing for all names. */
  readonly dropDeadNames: boolean;
  /** Names of solvers in configuration: for each name the first that can answer for it. */
  readonly solvers: readonly string[];
  /** Names of targets in configuration, in order. */
  readonly targets: readonly string[];
  /** Every target in exactly one of them; empty: all targets at once. */
  readonly waves: readonly Wave[];
  readonly onWaveFailure: WaveFailure;
  readonly endpoints: readonly Endpoint[];
  readonly policy: RenewalPolicy;
  readonly maintenance: Maintenance;
  /** ACME profile to order by; null: the CA's default. */
  readonly profile: string | null;
  /** Common name or SHA-256 fingerprint of a certificate the chain should lead to; null: the CA's default chain. */
  readonly preferredChain: string | null;
  /** Keep the key of the version before, as long as its type fits. */
  readonly reuseKey: boolean;
  /** Order with this request; null: renewd makes key and request. */
  readonly csr: CsrSource | null;
  /** How long an endpoint may take to serve a deployed pair before verification fails. */
  readonly verifyTimeoutMs: number;
  /** SHA-256 over the definition of each target: only a target whose own definition changes is deployed to again. */
  readonly targetDigests: Readonly<Record<string, string>>;
  readonly responsibility: Responsibility;
  /**
   * Every issuer it names is distrusted: nothing is ordered for it, while what exists is still deployed and observed.
   */
  readonly allDistrusted: boolean;
  /** The file that defines it, as people know it, or `database`. An older release recorded none. */
  readonly definedIn?: string;
  /** SHA-256 over this certificate and the issuer, solver and targets it names: a change resets its back-off. */
  readonly digest: string;
  /**
   * SHA-256 over what decides which certificate is issued: only such a change ends a renewal that is still to issue.
   */
  readonly issueDigest: string;
}

/**
 * Starts the reason of a pause after a crash loop. A change of the configuration ends such a pause, but not a person's.
 */
export const QUARANTINED = "quarantined: ";
/** Starts the reason of the pause that the first run sets where other tooling's certificate is in use. */
export const FIRST_RUN = "first run: ";
/** The reason of the pause while a certificate is broken on purpose. */
export const EXERCISED = "broken on purpose, as an exercise, until somebody acknowledges";

/** What the database remembers about a certificate apart from its versions. */
export interface CertificateRecord {
  readonly name: string;
  readonly digest: string;
  /** When the planner checks again; null while a renewal is in flight or the certificate left the configuration. */
  readonly nextCheckAt: number | null;
  /** Renewals that failed in a row. */
  readonly failures: number;
  /** Back-off: no new renewal before this instant (ms since epoch). */
  readonly nextAttemptAt: number | null;
  readonly lastErrorCode: string | null;
  readonly lastErrorMessage: string | null;
  readonly pausedAt: number | null;
  /** null while paused: until resumed by hand. */
  readonly pausedUntil: number | null;
  readonly pausedReason: string | null;
  readonly removedAt: number | null;
  /** A backup was restored then, and no endpoint has shown since that nothing newer is live. */
  readonly restoredAt: number | null;
  /** New generations are above it. A restore raises it above all generations that were deployed after the backup. */
  readonly generationFloor: number;
  /** When its endpoints are dialled next between renewals; null: at once. */
  readonly nextObservationAt: number | null;
  /** When the next automatic rehearsal is due; null: at once, if rehearsals are configured. */
  readonly nextRehearsalAt: number | null;
  /** When people are warned that its proved version expires; null: they were, or there is none. */
  readonly expiryWarningAt: number | null;
  /** Why its last rehearsal failed; null: nothing that a person has to fix. */
  readonly rehearsalProblem: string | null;
  /** How often in a row the planner could not decide about it: a damaged row, a bug. */
  readonly planFailures: number;
  readonly planErrorCode: string | null;
  readonly planErrorMessage: string | null;
}
