import type { DeployReceipt } from "./deployment.ts";
import type { IssuedCertificate, Leaf } from "./version.ts";

export interface DeployRequest {
  readonly pair: IssuedCertificate;
  /** What the last successful deploy of this certificate to this target returned; null: first time. */
  readonly previous: DeployReceipt | null;
}

/** Puts a pair into one target. One instance serves every certificate of the target. */
export interface Deployer {
  /**
   * MUST be idempotent, keep the serving pair working on any failure, refuse a pair whose key does not match
   * (`deploy.badPair`) and refuse to replace a newer generation (`deploy.newerGeneration`).
   */
  deploy(request: DeployRequest, signal: AbortSignal): Promise<DeployReceipt>;
  /** Throws what would make deploy impossible, touching nothing. `leaf` is null before the first issue. */
  preflight?(certificate: string, leaf: Leaf | null, signal: AbortSignal): Promise<void>;
}
