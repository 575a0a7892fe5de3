import type { Certificate } from "../../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../../domain/deployment.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { RenewalFacts } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";

/** All that decides what comes next for a renewal, loaded in one transaction. */
export interface Facts {
  /** From configuration; null: it left the configuration. */
  readonly certificate: Certificate | null;
  /** The database has another configuration of the certificate: this process has yet to be reloaded. */
  readonly outdated: boolean;
  /** The version at the renewal's generation; null: not issued yet. */
  readonly version: Version | null;
  /** The pair that targets of later waves still hold; null: there is none. */
  readonly previous: Version | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
  /** Vantages without a verifier: nobody can verify there. */
  readonly silent: ReadonlySet<string>;
  readonly leaseMs: number;
  /** After this many claims without an outcome, the work counts as a crash loop. */
  readonly crashesMax: number;
}

export type LoadedFacts = Facts & Pick<RenewalFacts, "before" | "inspectionAt" | "isReplaced">;

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}
