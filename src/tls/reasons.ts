import { sanitize } from "../domain/text.ts";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused: nothing listens there",
  ECONNRESET: "the peer closed the connection during the handshake",
  EPIPE: "the peer closed the connection during the handshake",
  ETIMEDOUT: "the connection timed out",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  EADDRNOTAVAIL: "this machine cannot connect to the address",
  EACCES: "a local firewall forbids the connection",
  EPERM: "a local firewall forbids the connection",
  ENOTFOUND: "the name does not resolve",
  EAI_AGAIN: "the name server did not answer",
  ERR_SSL_WRONG_VERSION_NUMBER: "the port answers, but not with TLS",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "the port answers, but not with TLS",
  ERR_SSL_RECORD_LAYER_FAILURE: "the port answers, but not with TLS",
  ERR_SSL_HTTP_REQUEST: "the port answers with plain HTTP",
  ERR_SSL_EXCESSIVE_MESSAGE_SIZE: "it sends more than 100 kB of certificates",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "it supports no TLS version newer than 1.1",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "it supports neither TLS 1.2 nor TLS 1.3",
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: "it refuses this server name: no certificate is bound to it",
  ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR:
    "it ends the handshake with an internal error, often a missing certificate for this server name",
};

/** Why no handshake completed, in one line that is never empty. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const known = REASONS[code];
  if (known) return known;
  const alert = /ALERT_([A-Z_]+)$/.exec(code)?.[1];
  if (alert) return `it refuses the handshake (TLS alert ${alert.toLowerCase().replaceAll("_", " ")})`;
  if (code.startsWith("ERR_SSL_"))
    return `the handshake failed (${sanitize(code.slice("ERR_SSL_".length).toLowerCase().replaceAll("_", " "), 80)})`;
  return sanitize(error instanceof Error ? error.message : String(error), 200) || "unknown reason";
}
