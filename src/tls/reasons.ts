import type { ErrorCode } from "../domain/errorTable.ts";
import { sanitize } from "../domain/text.ts";

const NOT_TLS =
  "the port answers, but not with TLS: if its protocol begins in plain text, name it in `starttls` of the endpoint";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused: nothing listens there",
  ECONNRESET: "the peer closed the connection during the handshake",
  EPIPE: "the peer closed the connection during the handshake",
  ETIMEDOUT: "the connection timed out",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "cannot be dialled from here: this machine has no route to it",
  EADDRNOTAVAIL: "cannot be dialled from here: this machine has no address of its kind",
  EAFNOSUPPORT: "cannot be dialled from here: this machine does not support its kind of address",
  EACCES: "cannot be dialled from here: a firewall or a route of this machine forbids it",
  EPERM: "cannot be dialled from here: a firewall of this machine forbids it",
  EINVAL:
    "cannot be dialled from here: this machine has a blackhole route to it, or it is link-local and names no interface",
  ENOTFOUND: "the name does not resolve",
  EAI_AGAIN: "the name server did not answer",
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NOT_TLS,
  ERR_SSL_RECORD_LAYER_FAILURE: NOT_TLS,
  ERR_SSL_HTTP_REQUEST: "the port answers with plain HTTP",
  ERR_SSL_EXCESSIVE_MESSAGE_SIZE: "it sends more than 100 kB of certificates",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "it supports no TLS version newer than 1.1",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "it supports neither TLS 1.2 nor TLS 1.3",
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
    "it speaks none of the application protocols that `alpn` of the endpoint offers",
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: "it refuses this server name: no certificate is bound to it",
  ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR:
    "it ends the handshake with an internal error, often a missing certificate for this server name",
};

/** The peer ended a connection: servers that limit connections do. */
const DROPPED: readonly string[] = ["ECONNRESET", "EPIPE"];
/**
 * This machine refuses, not the peer: no address of the family, no route, a `prohibit` or `blackhole` route, a
 * firewall. EHOSTUNREACH is not in the list, although a dead gateway causes it too: a peer that is down looks the same.
 */
const UNDIALABLE: readonly string[] = [
  ...["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EACCES", "EPERM", "EINVAL"],
];

/** What a connection that failed says of the address. */
export function codeOf(error: unknown): ErrorCode {
  const code = systemCode(error);
  if (DROPPED.includes(code) || error instanceof ClosedError) return "verify.dropped";
  if (code === "ETIMEDOUT") return "verify.timeout";
  if (REASONS[code] === NOT_TLS) return "verify.protocol";
  return UNDIALABLE.includes(code) ? "verify.undialable" : "verify.unreachable";
}

/** The peer closed the connection without an error. */
export class ClosedError extends Error {}

/** The time was up before the peer had agreed to begin TLS. */
export class SilentError extends Error {}

function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Why no handshake completed, in one line that is never empty. */
export function reasonOf(error: unknown): string {
  const code = systemCode(error);
  const known = REASONS[code];
  if (known) return known;
  const alert = /ALERT_([A-Z_]+)$/.exec(code)?.[1];
  if (alert) return `it refuses the handshake (TLS alert ${alert.toLowerCase().replaceAll("_", " ")})`;
  if (code.startsWith("ERR_SSL_"))
    return `the handshake failed (${sanitize(code.slice("ERR_SSL_".length).toLowerCase().replaceAll("_", " "), 80)})`;
  return sanitize(error instanceof Error ? error.message : String(error), 200) || "unknown reason";
}
