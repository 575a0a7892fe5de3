import type { CaBudget } from "../domain/budget.ts";
import type { Certificate } from "../domain/certificate.ts";
import type { Clock } from "../domain/clock.ts";
import type { Deployer, TargetLimits } from "../domain/deployer.ts";
import type { Issuer, OwnCsr, Solver } from "../domain/issuer.ts";
import type { Log } from "../domain/log.ts";
import type { Channel } from "../domain/notification.ts";
import type { Probe } from "../domain/probe.ts";
import type { JobQueue } from "../domain/queue.ts";
import type { Store } from "../domain/store.ts";
import type { ClockGuard } from "./watch/clockGuard.ts";

/** What configuration says should exist and who serves it. Looked up at each step, so a reload takes effect at the next one. */
export interface Estate {
  certificates(): readonly Certificate[];
  certificate(name: string): Certificate | null;
  issuer(name: string): Issuer;
  /** What the issuer's CA allows; nothing limited when it left the configuration. */
  budget(issuer: string): CaBudget;
  /** Reads the request the certificate brings along, when it is called; null: it brings none. */
  ownCsr(certificate: Certificate): (() => Promise<OwnCsr>) | null;
  solver(name: string): Solver;
  deployer(target: string): Deployer;
  /** Ways to reach people, by name. */
  channels(): ReadonlyMap<string, Channel>;
  /** What the target can take at all. */
  limits(target: string): TargetLimits;
  /** The issuer as it is rehearsed with. */
  rehearsal(issuer: string): RehearsalOffice;
  /** The target is deployed to only by a worker that was started for it, on the machine that owns it. */
  hasAgent(target: string): boolean;
}

export interface RehearsalOffice {
  /** The issuer at its CA's staging directory; null: none is known. */
  readonly issuer: Issuer | null;
  readonly budget: CaBudget;
}

export interface RenewalSettings {
  /** How long a claim holds without renewal; also the longest takeover delay after a crash. */
  readonly leaseMs: number;
  /** The sweep enqueues work again that was not claimed for this long. */
  readonly requeueMs: number;
  /** Certificates planned, and renewals swept, per tick. */
  readonly batch: number;
  readonly issueAttemptsMax: number;
  readonly deployAttemptsMax: number;
  /** Delay before attempt 2, 3, …; the last one repeats. */
  readonly backoffMs: readonly number[];
  /** Good handshakes in a row that prove one address: old workers of a reloading server answer a few of them. */
  readonly handshakesToProve: number;
  /** Between two looks at the endpoints of a certificate that is not being renewed. */
  readonly observeMs: number;
  /** Between two rehearsals of a certificate; REHEARSAL_OFF: none by themselves. */
  readonly rehearseMs: number;
  /** Claims without an outcome after which a certificate is quarantined. */
  readonly crashesMax: number;
}

export const REHEARSAL_OFF = Number.POSITIVE_INFINITY;

export const DEFAULT_SETTINGS: RenewalSettings = {
  leaseMs: 9_000,
  requeueMs: 5_000,
  batch: 200,
  issueAttemptsMax: 5,
  deployAttemptsMax: 4,
  backoffMs: [60_000, 600_000, 6_000_000, 86_400_000],
  handshakesToProve: 10,
  observeMs: 600_000,
  rehearseMs: REHEARSAL_OFF,
  crashesMax: 5,
};

/** Everything a verb needs; `compose` fills it. */
export interface Context {
  readonly store: Store;
  readonly queue: JobQueue;
  readonly probe: Probe;
  readonly estate: Estate;
  readonly clock: Clock;
  readonly clockGuard: ClockGuard;
  readonly log: Log;
  readonly settings: RenewalSettings;
}
