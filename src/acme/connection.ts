import { RenewalError } from "../domain/errors.ts";

/** Why a certificate was refused, as Node names OpenSSL's X509_V_ERR codes and its own check of the host name. */
const DISTRUST: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is signed by a CA that is not trusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is signed by a CA that is not trusted",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is signed by a CA that is not trusted",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is signed by a CA that is not trusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed and not trusted",
  CERT_SIGNATURE_FAILURE: "its certificate is signed by a CA that is not trusted",
  CERT_UNTRUSTED: "its certificate is signed by a CA that is not trusted",
  CERT_REJECTED: "its certificate is not trusted for servers",
  CERT_HAS_EXPIRED: "its certificate or one in its chain has expired",
  CERT_NOT_YET_VALID: "its certificate or one in its chain is not valid yet",
  CERT_REVOKED: "its certificate is revoked",
  CERT_CHAIN_TOO_LONG: "its certificate chain is too long",
  INVALID_CA: "its certificate chain holds one that is no CA",
  INVALID_PURPOSE: "its certificate is not meant for servers",
  PATH_LENGTH_EXCEEDED: "its certificate chain is too long",
  HOSTNAME_MISMATCH: "its certificate is for another name",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

const CONNECTION: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ETIMEDOUT: "no answer to the connection attempt",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "its name does not resolve",
  EAI_AGAIN: "its name could not be resolved",
  EPROTO: "it does not speak TLS on this port",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS on this port",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "it does not speak TLS on this port",
};

const CONNECTING: readonly string[] = [
  "ECONNREFUSED",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
];

export function isTlsDistrust(error: unknown): boolean {
  return Object.hasOwn(DISTRUST, codeOf(error));
}

/** A certificate outside its dates: the server's mistake, or our clock's. */
export function isOutsideItsDates(error: unknown): boolean {
  return ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"].includes(codeOf(error));
}

export function untrustedError(issuer: string, origin: string, cause: unknown): RenewalError {
  const why = DISTRUST[codeOf(cause)];
  const fix = `Set \`trust\` of issuer "${issuer}" to a PEM file with the CA that signs it.`;
  return new RenewalError("acme.untrusted", `CA "${issuer}" at ${origin} is not trusted: ${why}. ${fix}`, { cause });
}

export interface Route {
  readonly issuer: string;
  readonly origin: string;
  /** URL; null: none. */
  readonly proxy: string | null;
}

export function connectionError({ issuer, origin, proxy }: Route, cause: unknown): RenewalError {
  const code = codeOf(cause);
  const known = Object.hasOwn(CONNECTION, code) ? CONNECTION[code] : undefined;
  const ca = `CA "${issuer}" at ${origin}`;
  if (proxy !== null && code === "ERR_PROXY_TUNNEL") {
    return new RenewalError("acme.connection", `Cannot reach ${ca}: proxy ${proxy} ${tunnelRefusal(cause)}.`, {
      cause,
    });
  }
  const why = known ?? (cause instanceof Error ? cause.message : "unknown reason");
  // renewd connects to the proxy only.
  if (proxy !== null && CONNECTING.includes(code))
    return new RenewalError("acme.connection", `Cannot reach proxy ${proxy} to ${ca}: ${why}.`, { cause });
  return new RenewalError(
    "acme.connection",
    `Cannot reach ${ca}${proxy === null ? "" : ` through proxy ${proxy}`}: ${why}.`,
    { cause },
  );
}

function tunnelRefusal(cause: unknown): string {
  const status = cause instanceof Error && "statusCode" in cause ? cause.statusCode : null;
  if (status === 407) return "demands a user and password, which renewd has none of: let it permit this host";
  return typeof status === "number" ? `refuses to connect to it (status ${status})` : "opened no tunnel to it";
}

/** A host with several addresses fails with one error per address (RFC 8305): the first is reported. */
function codeOf(error: unknown): string {
  const one: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return one instanceof Error && "code" in one ? String(one.code) : "";
}
