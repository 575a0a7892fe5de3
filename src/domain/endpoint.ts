/** A place where clients meet the certificate. Every address its host resolves to is dialled. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** Server name sent in the handshake; explicit because one address may serve many certificates. */
  readonly sni: string;
  /** The target behind this endpoint; null: any of the certificate's targets. */
  readonly target: string | null;
}

export function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.sni}@${endpoint.host}:${endpoint.port}`;
}

/** What one fresh handshake with one address of an endpoint saw. */
export interface Observation {
  readonly address: string;
  readonly port: number;
  readonly sni: string;
  /** ms since epoch. */
  readonly at: number;
  readonly durationMs: number;
  /** null when no handshake completed; `problem` says why. */
  readonly served: ServedCertificate | null;
  /** Code and message of what is wrong, null when the expected pair was served whole. */
  readonly problem: ObservationProblem | null;
}

export interface ServedCertificate {
  /** SHA-256 of the DER leaf, lower-case hex without separators. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly subjectAltNames: readonly string[];
  readonly issuer: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 fingerprints of the certificates served after the leaf, in wire order. */
  readonly chain: readonly string[];
}

export interface ObservationProblem {
  readonly code: string;
  readonly message: string;
}
