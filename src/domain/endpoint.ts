/** Protocols that begin in plain text and change to TLS on the same connection. */
export const STARTTLS_PROTOCOLS = [
  "smtp",
  "lmtp",
  "imap",
  "pop3",
  "sieve",
  "ftp",
  "nntp",
  "postgresql",
  "mysql",
  "ldap",
  "xmpp",
  "xmpp-server",
] as const;
export type StartTlsProtocol = (typeof STARTTLS_PROTOCOLS)[number];

export const HTTPS_PORT = 443;
/** The usual port of each. */
export const STARTTLS_PORTS: Readonly<Record<StartTlsProtocol, number>> = {
  smtp: 25,
  lmtp: 24,
  imap: 143,
  pop3: 110,
  sieve: 4190,
  ftp: 21,
  nntp: 119,
  postgresql: 5432,
  mysql: 3306,
  ldap: 389,
  xmpp: 5222,
  "xmpp-server": 5269,
};

export const PROXY_PROTOCOLS = ["v1", "v2"] as const;
export type ProxyProtocol = (typeof PROXY_PROTOCOLS)[number];

/** A host and port where clients get the certificate. renewd connects to every address of the host. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** Server name sent in the handshake. It is explicit because one address may serve many certificates. */
  readonly sni: string;
  /** The target that this endpoint serves from; null: any of the certificate's targets. */
  readonly target: string | null;
  /** Left out: TLS from the first byte. */
  readonly starttls?: StartTlsProtocol;
  /** The header that the server expects before anything else. Left out: none. */
  readonly proxyProtocol?: ProxyProtocol;
  /** Application protocols to offer (ALPN, RFC 7301), in order of preference. Left out: none is offered. */
  readonly alpn?: readonly string[];
  /** Limit of one handshake, from connect on. Left out: the probe's own. */
  readonly handshakeTimeoutMs?: number;
  /** The network that it is dialled from: only verifiers there do. Left out: any verifier without a vantage. */
  readonly vantage?: string;
}

/** Names an endpoint as one vantage sees it: each has its own observations, evidence and proof. */
export function endpointKey(endpoint: Endpoint): string {
  return endpoint.vantage === undefined
    ? endpointPlace(endpoint)
    : `${endpointPlace(endpoint)}${SEEN_FROM}${endpoint.vantage}`;
}

/** Where clients meet it, from every vantage. */
export function endpointPlace(endpoint: Pick<Endpoint, "host" | "port" | "sni">): string {
  return `${endpoint.sni}@${endpoint.host}:${endpoint.port}`;
}

/** `endpointPlace()` of the endpoint that has this key. */
export function placeOfKey(key: string): string {
  return key.split(SEEN_FROM, 1)[0] ?? key;
}

const SEEN_FROM = " from ";

/**
 * No handshake, which says nothing of what the address serves: nothing listens, the peer ends connections that it has
 * accepted or is silent, or this machine has no way to the address.
 */
const UNANSWERED: readonly string[] = [
  ...["verify.unreachable", "verify.protocol", "verify.dropped", "verify.timeout", "verify.undialable"],
];

export function isUnanswered(code: string | null | undefined): boolean {
  return code != null && UNANSWERED.includes(code);
}

/**
 * What an address that cannot be dialled from here means. `report`: it is shown. `fail`: its endpoint is not proved.
 */
export const UNDIALABLE_POLICIES = ["report", "fail"] as const;
export type UndialablePolicy = (typeof UNDIALABLE_POLICIES)[number];

/** The result of one fresh handshake with one address of an endpoint. */
export interface Observation {
  readonly address: string;
  readonly port: number;
  readonly sni: string;
  /** ms since epoch. */
  readonly at: number;
  readonly durationMs: number;
  /** null: no handshake completed, and `problem` says why. */
  readonly served: ServedCertificate | null;
  /** What was agreed on, such as `TLSv1.3`; left out: no handshake completed. */
  readonly protocol?: string | undefined;
  readonly cipher?: string | undefined;
  /**
   * The process that was named alone accepted there, and held the other end. Left out: it did not, nobody can tell, or
   * none was named.
   */
  readonly byServer?: true;
  /** Of an endpoint that is only watched: answers that are missing since it changed. Left out: none. */
  readonly owed?: number;
  /** Code and message of what is wrong; null: the address served the expected certificate with its full chain. */
  readonly problem: ObservationProblem | null;
}

/**
 * What fresh connections to one address have shown of one generation, from one look to the next. Instants are ms since
 * epoch.
 */
export interface Evidence {
  readonly generation: number;
  /** Connections in a row that served the generation. */
  readonly good: number;
  /** First connection of that row; null: the row is empty. */
  readonly goodSince: number | null;
  readonly lastGoodAt: number | null;
  /** Rows that another certificate ended. Each one raises the number of connections that proof takes. */
  readonly relapses: number;
  readonly lastWrongAt: number | null;
  /** What the last connections served, oldest first; "": the generation with its full chain. */
  readonly recent: readonly string[];
  /**
   * The process of the verifier's machine that held the other end of all connections of the row, and alone accepts any
   * there. Left out: not known.
   */
  readonly server?: number | undefined;
  /** Connections to the address whose other end it held in the ten seconds before it was proved, for all certificates. */
  readonly attested?: number | undefined;
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
