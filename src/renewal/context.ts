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
import type { RenewalSettings } from "./rules/settings.ts";
import type { ClockGuard } from "./watch/clockGuard.ts";

/** What configuration says should exist and who serves it. Looked up at each step, so a reload takes effect at the next one. */
export interface ConfiguredServices {
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

/** Everything a verb needs; `compose` fills it. */
export interface Context {
  readonly store: Store;
  readonly queue: JobQueue;
  readonly probe: Probe;
  readonly services: ConfiguredServices;
  readonly clock: Clock;
  readonly clockGuard: ClockGuard;
  readonly log: Log;
  readonly settings: RenewalSettings;
}
