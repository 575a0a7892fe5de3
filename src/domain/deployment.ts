/** One certificate at one target. Work goes on until deployed equals wanted. Instants are ms since epoch. */
export interface Deployment {
  readonly certificate: string;
  readonly target: string;
  /** Generation the target should hold. */
  readonly wantedGeneration: number;
  /** Last generation that the target accepted; 0: none, or renewd no longer trusts what the target holds. */
  readonly deployedGeneration: number;
  /** null: an attempt was begun since then, or renewd did not put the pair there. */
  readonly deployedAt: number | null;
  /** Digest of the target's definition that it was deployed by; null: unknown. */
  readonly targetDigest: string | null;
  /** Raised on each claim. A write with an older fence is refused. */
  readonly fence: number;
  readonly leaseUntil: number | null;
  /** Claims since the last recorded outcome, so the number of crashes in a row. */
  readonly openClaims: number;
  /** Failed attempts for the wanted generation. */
  readonly attempts: number;
  /** End of the back-off. In the past: the target has waited for a deployer since then. */
  readonly nextAttemptAt: number | null;
  /** No further attempt in this renewal: retrying cannot help, or all attempts are used. */
  readonly exhausted: boolean;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** What the deployer returned last time, such as an ARN. It is passed to the deployer again. */
  readonly receipt: DeployReceipt | null;
  /** There is a receipt, but it cannot be read. */
  readonly isReceiptDamaged?: true;
  /** What the last inspection found wrong with what the target holds; null: nothing, or it was never inspected. */
  readonly inspectionProblem: string | null;
  /**
   * Somebody else wrote its row: nothing that it says of generations is believed, so the target counts as holding none.
   */
  readonly isAltered?: true;
}

/** A clause that follows the target's name. */
export const ALTERED_DEPLOYMENT = "has a row in the database that renewd did not write";

/** Unique among all deployments. */
export function deploymentId({ certificate, target }: Pick<Deployment, "certificate" | "target">): string {
  return `${certificate} ${target}`;
}

/** Facts about the target that a deployer needs next time. Never secret: history shows them. */
export type DeployReceipt = Readonly<Record<string, string | number>>;

/** Verification state of one endpoint for one generation, from what its addresses served. */
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
