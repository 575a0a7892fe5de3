import type { KeyType } from "./certificate.ts";
import type { DeployReceipt } from "./deployment.ts";
import type { HeldElsewhere } from "./discovery.ts";
import type { CredentialEnd } from "./horizon.ts";
import type { Identifier } from "./identifier.ts";
import type { IssuedCertificate, Leaf } from "./version.ts";

export interface DeployRequest {
  readonly pair: IssuedCertificate;
  /** What the last successful deploy of this certificate to this target returned; null: first time. */
  readonly previous: DeployReceipt | null;
  /**
   * Only the target's definition changed since its last successful deploy, and nothing suggests that it serves another
   * pair. A deployer that finds everything as wanted may leave out its check and reload. Left out: it must not.
   */
  readonly onlyIfChanged?: boolean;
}

/** What a kind of target can take at all; what is left out is not limited. Say the vendor document beside it. */
export interface TargetLimits {
  readonly keyTypes?: readonly KeyType[];
  readonly namesMax?: number;
  readonly identifierTypes?: readonly Identifier["type"][];
  /** Profiles of CAs whose certificates it takes; one that asks for none is taken. */
  readonly profiles?: readonly string[];
  /** A certificate that is valid for less than this is refused. */
  readonly lifetimeMinMs?: number;
}

/** What a target holds now for one certificate, read without changing anything. */
export interface InstalledPair {
  /** SHA-256 of the DER leaf, lower-case hex; null: the place holds no certificate. */
  readonly fingerprint: string | null;
  /** It is another one than was deployed, although the API does not show which. */
  readonly isOther?: boolean;
  /** Whether the private key beside it belongs to it; null: nobody can tell, as with an API that never returns keys. */
  readonly keyMatches: boolean | null;
  /**
   * SHA-256 of each certificate that follows the leaf, in order. Left out: the place is not for a chain, or not known.
   */
  readonly chain?: readonly string[];
  /**
   * What keeps the server from using it at its next start (owner, mode, a missing file), or lets others use its key,
   * one sentence each.
   */
  readonly problems: readonly string[];
}

export interface ServerRequest {
  readonly certificate: string;
  readonly leafPem: string;
}

export interface InspectRequest {
  readonly certificate: string;
  /** What the last successful deploy of this certificate to this target returned; null: none. */
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
  /**
   * What only a deploy can try, such as a right to write that the API does not tell, for people to check themselves.
   * Left out: nothing.
   */
  readonly untried?: string;
  /**
   * What the target holds now; null: it cannot tell. Changes nothing. Throws `deploy.*` when the target cannot be
   * asked.
   */
  inspect?(request: InspectRequest, signal: AbortSignal): Promise<InstalledPair | null>;
  /**
   * The process of this machine that gives what was deployed to every connection that it accepts from now on. null: it
   * has another pair in memory, runs elsewhere, or nobody can tell. Left out: a swap is not visible at once.
   */
  server?(request: ServerRequest, signal: AbortSignal): Promise<number | null>;
  /**
   * Every certificate that these credentials can list at the place, whoever put it there, never a key. Changes nothing.
   * Left out: the place has no list.
   */
  held?(found: (held: HeldElsewhere) => void, signal: AbortSignal): Promise<void>;
  /** When the credential that it is asked with ends. Changes nothing. Left out: its API does not tell. */
  readonly credentials?: (signal: AbortSignal) => Promise<readonly CredentialEnd[]>;
}
