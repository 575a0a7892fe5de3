/** How bad a finding is, worst first. `wrong`: clients fail, or soon will. */
export const FINDING_LEVELS = ["wrong", "caution", "note"] as const;
export type FindingLevel = (typeof FINDING_LEVELS)[number];

/** What a scan found at one address. */
export interface Finding {
  readonly level: FindingLevel;
  /** Stable name for programs, such as `chain.incomplete`. */
  readonly id: string;
  readonly message: string;
  /** null: nothing can be done there. */
  readonly advice: string | null;
}

/** One certificate as it was served. Text in it is foreign and already one bounded line. */
export interface ScannedCertificate {
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly subject: string;
  readonly issuer: string;
  readonly subjectAltNames: readonly string[];
  /** ms since epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Such as `ECDSA P-256` or `RSA 2048`. */
  readonly key: string;
  /** Such as `ecdsa-with-SHA384`. */
  readonly signature: string;
}

/**
 * Where a chain ends. `trusted`: at a root that this machine trusts. `incomplete`: at a certificate whose issuer was
 * neither served nor is trusted. `untrusted`: at a root that is not trusted. `selfSigned`: the leaf is its own issuer.
 */
export const TRUST_STATES = ["trusted", "incomplete", "untrusted", "selfSigned"] as const;
export type TrustState = (typeof TRUST_STATES)[number];

export interface ScannedChain {
  readonly leaf: ScannedCertificate;
  /** What the server sent after the leaf, in wire order. */
  readonly sent: readonly ScannedCertificate[];
  readonly trust: TrustState;
  /** The names of the chain above the leaf as a client builds it, the trusted root last. */
  readonly path: readonly string[];
}

/** What one address showed. */
export interface AddressScan {
  readonly address: string;
  readonly port: number;
  /** Of the first handshake; null: there was none. */
  readonly durationMs: number | null;
  /** Such as `TLSv1.3`. */
  readonly protocol: string | null;
  readonly cipher: string | null;
  /** The one that the server chose, then the one for clients of the other key type. */
  readonly chains: readonly ScannedChain[];
  /** Worst first. */
  readonly findings: readonly Finding[];
}
