import type { CaBudget } from "../domain/budget.ts";
import type { Certificate } from "../domain/certificate.ts";
import type { Clock } from "../domain/clock.ts";
import type { Deployer, TargetLimits } from "../domain/deployer.ts";
import type { HorizonSource } from "../domain/horizon.ts";
import type { Issuer, NamedSolver, OwnCsr, Solver } from "../domain/issuer.ts";
import type { Log } from "../domain/log.ts";
import type { Channel } from "../domain/notification.ts";
import type { PeerSource } from "../domain/peer.ts";
import type { Probe, ServedJudge } from "../domain/probe.ts";
import type { JobQueue } from "../domain/queue.ts";
import type { Responsibility } from "../domain/responsibility.ts";
import type { Store } from "../domain/store.ts";
import type { IssuedCertificate, Leaf } from "../domain/version.ts";
import type { WatchDefinition } from "../domain/watched.ts";
import type { WrittenReport } from "../domain/weeklyReport.ts";
import type { OwedClaims } from "./owedClaims.ts";
import type { Rooms } from "./rooms.ts";
import type { RenewalSettings } from "./rules/settings.ts";
import type { ClockGuard } from "./watch/clockGuard.ts";

/**
 * What the configuration says should exist, and who serves it. Each step asks again, so a reload takes effect at once.
 */
export interface ConfiguredServices {
  certificates(): readonly Certificate[];
  certificate(name: string): Certificate | null;
  /** Endpoints of certificates that somebody else renews. */
  watched?(): readonly WatchDefinition[];
  issuer(name: string): Issuer;
  /** The names of all issuers, also of those that no certificate names. */
  issuerNames(): readonly string[];
  /** What the issuer's CA allows; unlimited when the issuer left the configuration. */
  budget(issuer: string): CaBudget;
  /** The file that says what is configured, and when it was last changed (ms since epoch; null: not known). */
  configuredBy?(): { readonly file: string; readonly changedAt: number | null };
  /** Reads the certificate's own signing request when called; null: it has none. */
  ownCsr(certificate: Certificate): (() => Promise<OwnCsr>) | null;
  /** Throws `config.removed` when it left the configuration. */
  solver(name: string): Solver;
  /** The certificate's, in order of preference. */
  solvers(certificate: Pick<Certificate, "solvers">): readonly NamedSolver[];
  deployer(target: string): Deployer;
  /** Ways to reach people, by name. */
  channels(): ReadonlyMap<string, Channel>;
  /** Who answers for the target; null: it left the configuration. */
  responsibility(target: string): Responsibility | null;
  /** Whether deploying to the target reloads a server; false when it left the configuration. */
  reloads(target: string): boolean;
  /** What the target writes to for a certificate; empty: nothing that two targets could share, or nobody can tell. */
  places(target: string, certificate: string): readonly string[];
  /** Which certificates the target accepts. */
  limits(target: string): TargetLimits;
  /** Where the issuer's CA is, and where URLs that it names may lead; null: it is not configured. */
  caAddress?(issuer: string): { readonly directory: string; readonly privateAddresses: boolean | null } | null;
  /** What else has an end that breaks renewals. Left out: nothing is looked at. */
  horizon?(): readonly HorizonSource[];
  /** Other renewds that this one watches. Left out: none. */
  peers?(): readonly PeerSource[];
  /** A pair for the names of the good one that any server loads and no client accepts. Left out: nothing is broken on purpose. */
  expiredPair?(good: Pick<Leaf, "identifiers" | "notBefore">, now: number): Promise<ExpiredPair>;
  /** The report of the week that ended then (ms since epoch). */
  weeklyReport?(until: number): Promise<WrittenReport>;
  /** The issuer to rehearse with. */
  rehearsal(issuer: string): RehearsalOffice;
  /** Only a worker that was started for the target, on the target's own machine, deploys to it. */
  hasAgent(target: string): boolean;
}

/** For an exercise; with a key of its own. */
type ExpiredPair = Omit<IssuedCertificate, "certificate" | "generation">;

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
  /** Absent: what is served is neither judged to a root nor kept. */
  readonly judge?: ServedJudge;
  readonly services: ConfiguredServices;
  readonly clock: Clock;
  readonly clockGuard: ClockGuard;
  readonly log: Log;
  readonly settings: RenewalSettings;
  /** Whether this process verifies as well, so that its deployer may look at once. */
  readonly isVerifier?: boolean;
  /** Of workers of this process; absent: each next step goes through the queue. */
  readonly rooms?: Rooms;
  /** The network that this process's verifier dials from; absent: it has no name, or there is no verifier here. */
  readonly vantage?: string;
  /** Claims that wait for the database to be given back; absent: those count as deaths of their worker. */
  readonly owedClaims?: OwedClaims;
  /** Called with what was left of a lease when its claim or renewal was recorded; 0 when it ran out. */
  readonly leaseRenewed?: (marginMs: number) => void;
}
