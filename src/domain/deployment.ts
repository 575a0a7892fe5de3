/** (certificate, target): level-triggered, driven until deployed equals wanted. Instants are ms since epoch. */
export interface Deployment {
  readonly certificate: string;
  readonly target: string;
  /** Generation the target should hold. */
  readonly wantedGeneration: number;
  /** Generation the target was last seen to accept; 0: none yet. */
  readonly deployedGeneration: number;
  readonly deployedAt: number | null;
  /** Raised on each claim; a writer holding an older fence is refused. */
  readonly fence: number;
  readonly leaseUntil: number | null;
  /** Claims since the last recorded outcome: counts crashes in a row. */
  readonly openClaims: number;
  /** Failed attempts for the wanted generation. */
  readonly attempts: number;
  /** Back-off; once it is past, since when the target waits for a deployer. */
  readonly nextAttemptAt: number | null;
  /** No further attempt in this renewal: the error cannot heal by itself or attempts are used up. */
  readonly exhausted: boolean;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** What the target answered last time, handed back to the deployer (for example an ARN). */
  readonly receipt: DeployReceipt | null;
}

/** A deployment's name among all. */
export function deploymentId({ certificate, target }: Pick<Deployment, "certificate" | "target">): string {
  return `${certificate} ${target}`;
}

/** Facts about the target a deployer wants back next time. Never secret: it is shown in history. */
export type DeployReceipt = Readonly<Record<string, string | number>>;

/** Verification state of one endpoint for one generation, derived from what its addresses served. */
export interface EndpointStatus {
  readonly certificate: string;
  /** `endpointKey()` of the endpoint. */
  readonly endpoint: string;
  readonly generation: number;
  /** Every address served the generation in the last round. */
  readonly proved: boolean;
  /** End of the last verification round for this generation. */
  readonly roundEndedAt: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}
