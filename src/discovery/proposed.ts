import type { KeyType } from "../domain/certificate.ts";
import type { Lineage } from "./found.ts";
import type { ProposedTarget } from "./targets.ts";

/** What a person decides; the rest is found. */
export interface Answers {
  /** E-mail address for the CA's notices; null: none is given. */
  readonly contact: string | null;
  /** Directory URL of the CA for what no other client renews today. */
  readonly directory: string;
  readonly termsOfServiceAgreed: boolean;
  readonly dataDir: string;
}

/** What a certificate file says, where it could be read. Instants are ms since epoch. */
export interface FileFacts {
  readonly names: readonly string[];
  readonly notAfter: number;
  /** SHA-256 of the DER leaf: a copy of a client's file has the same. */
  readonly fingerprint: string;
  /** null: a type that renewd does not create. */
  readonly keyType: KeyType | null;
}

/** What was read of the files that a discovery names, by their path. */
export interface Files {
  /** Of certificate files that could be read. */
  readonly facts: ReadonlyMap<string, FileFacts>;
  /** Where symbolic links lead. */
  readonly real: ReadonlyMap<string, string>;
}

export interface ProposedCertificate {
  readonly name: string;
  readonly names: readonly string[];
  /** Where its pair is today, for `renewd import`. */
  readonly certificate: string;
  readonly key: string;
  /** ms since epoch; null: its file could not be read. */
  readonly notAfter: number | null;
  /** null: its file could not be read. */
  readonly keyType: KeyType | null;
  /** The client that renews it today. */
  readonly renewedBy: Lineage["client"] | null;
  /** What that client runs after a renewal, where its target does something else; null: nothing. */
  readonly hook: string | null;
  readonly servers: readonly string[];
  readonly directory: string;
  readonly solver: ProposedSolver | null;
  readonly targets: readonly ProposedTarget[];
  readonly endpoints: readonly string[];
  /** Why it is written as a comment; null: it is ready. */
  readonly obstacle: string | null;
}

export type ProposedSolver = { readonly type: "http-01" } | { readonly type: "webroot"; readonly directory: string };
