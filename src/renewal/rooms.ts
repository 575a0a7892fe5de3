import type { Certificate } from "../domain/certificate.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Endpoint } from "../domain/endpoint.ts";
import type { Renewal } from "../domain/renewal.ts";
import type { Secret } from "../domain/secret.ts";
import type { ObservedAddress } from "../domain/store.ts";
import type { Version } from "../domain/version.ts";
import type { LoadedFacts } from "./rules/facts.ts";

export interface ClaimedDeployment {
  readonly renewal: Renewal;
  readonly deployment: Deployment;
  readonly version: Version;
  /** Of the version. Throws when it cannot be opened. */
  readonly privateKey: () => Secret;
  readonly facts: LoadedFacts;
  /** What earlier looks found. */
  readonly observed: readonly ObservedAddress[];
  /** `clock.monotonic()` before the claim was sent. */
  readonly claimedAt: number;
}

export interface ClaimedVerification {
  readonly renewal: Renewal;
  /** Null: not needed any more. */
  readonly needed: {
    readonly certificate: Certificate;
    readonly version: Version;
    readonly endpoints: readonly Endpoint[];
  } | null;
  /** As in `ClaimedDeployment`. */
  readonly claimedAt: number;
}

/** Room for one more job at a worker of this process, kept for what a transaction is about to claim. */
export interface Room<Claimed> {
  /** Does not wait for the work. Call it when the claim is committed. */
  begin(claimed: Claimed): void;
  /** Nothing was claimed. */
  leave(): void;
}

/**
 * Where the next step can be done in the process that records the last one, it is claimed in the same transaction: a
 * commit fewer, and no way through the queue. While a worker has room its queue holds nothing that is more urgent. Null:
 * it has none, and the step goes through the queue as ever.
 */
export interface Rooms {
  deploy?: (target: string) => Room<ClaimedDeployment> | null;
  verify?: () => Room<ClaimedVerification> | null;
}
