import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";

/** Signature schemes (RFC 8446 §4.2.3, OpenSSL spelling) that make a server with two certificates show the one of that kind. */
const SIGNATURES = {
  rsa: "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512",
  ec: "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512",
} as const;

export type KeyKind = keyof typeof SIGNATURES;

export interface HandshakeRequest {
  readonly address: string;
  readonly port: number;
  readonly serverName: string;
  /** Accept only a leaf of this kind; null: whatever the server prefers. */
  readonly keyKind: KeyKind | null;
}

const FAREWELL_MS = 1_000;

/**
 * One handshake on a new socket, closed as soon as it is done; its leaf links to the rest of the certificate message.
 * Rejects with the socket's error or the signal's reason. Sessions are never resumed: Node does so only when handed one.
 */
export function shakeHands(request: HandshakeRequest, signal: AbortSignal): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect(connectionOptions(request));
    let leaf: X509Certificate | undefined;
    // Read once: the first call takes the chain out of OpenSSL's session. Keys exist only after the server has proved its own.
    const capture = (): void => {
      leaf ??= socket.getPeerX509Certificate();
    };
    const aborted = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    const failed = (error: Error): void => {
      socket.destroy();
      // A TLS 1.2 server that demands a client certificate refuses us, but has shown what it serves.
      if (leaf && isAlert(error)) resolve(leaf);
      else reject(error);
    };
    signal.addEventListener("abort", aborted, { once: true });
    socket.once("close", () => {
      signal.removeEventListener("abort", aborted);
      reject(new Error("connection closed"));
    });
    socket.on("error", failed);
    socket.on("keylog", capture);
    socket.once("secureConnect", () => {
      capture();
      if (leaf) resolve(leaf);
      else reject(new Error("no certificate"));
      // close_notify, so that the probe is no error in the server's log; the peer cannot hold the socket open.
      socket.setTimeout(FAREWELL_MS, () => socket.destroy());
      socket.destroySoon();
    });
  });
}

function connectionOptions({ address, port, serverName, keyKind }: HandshakeRequest): ConnectionOptions {
  return {
    host: address,
    port,
    // RFC 6066 §3: an IP address is no server name; then none is sent.
    servername: isIP(serverName) ? "" : serverName,
    // The only place in renewd that does not reject: it records what is served, right or wrong, and judges it itself.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(keyKind && { sigalgs: SIGNATURES[keyKind] }),
  };
}

function isAlert(error: Error & { readonly code?: unknown }): boolean {
  return typeof error.code === "string" && /^ERR_SSL_.*ALERT/.test(error.code);
}
