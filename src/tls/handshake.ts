import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";

/**
 * Signature schemes (RFC 8446 §4.2.3, OpenSSL spelling). A server that holds an RSA and an ECDSA certificate shows the
 * one that fits them.
 */
const SIGNATURES = {
  rsa: "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512",
  ec: "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512",
} as const;

export type KeyKind = keyof typeof SIGNATURES;

export interface HandshakeRequest {
  readonly address: string;
  readonly port: number;
  readonly serverName: string;
  /** Accept only a leaf of this kind; null: the server chooses. */
  readonly keyKind: KeyKind | null;
}

const CLOSE_TIMEOUT_MS = 1_000;

/**
 * One handshake on a new socket, which is then closed. The leaf links to the rest of the served chain. Rejects with the
 * socket's error or the signal's reason. No session is resumed: Node resumes only a session that the caller passes in.
 */
export function shakeHands(request: HandshakeRequest, signal: AbortSignal): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect(connectionOptions(request));
    let leaf: X509Certificate | undefined;
    // Read once: the first call removes the chain from OpenSSL's session. `keylog` comes only after the server has
    // proved that it holds the private key.
    const capture = (): void => {
      leaf ??= socket.getPeerX509Certificate();
    };
    const aborted = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    const failed = (error: Error): void => {
      socket.destroy();
      // A TLS 1.2 server that requires a client certificate refuses renewd, but has already shown its own.
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
      // Send close_notify, so that the server logs no error. The timeout keeps a silent peer from holding the socket.
      socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
      socket.destroySoon();
    });
  });
}

function connectionOptions({ address, port, serverName, keyKind }: HandshakeRequest): ConnectionOptions {
  return {
    host: address,
    port,
    // RFC 6066 §3: an IP address is not a server name, so none is sent.
    servername: isIP(serverName) ? "" : serverName,
    // The only place in renewd that accepts any certificate: it records what is served and checks it afterwards.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(keyKind && { sigalgs: SIGNATURES[keyKind] }),
  };
}

function isAlert(error: Error & { readonly code?: unknown }): boolean {
  return typeof error.code === "string" && /^ERR_SSL_.*ALERT/.test(error.code);
}
