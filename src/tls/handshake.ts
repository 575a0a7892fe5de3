import type { X509Certificate } from "node:crypto";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from "node:tls";
import type { Endpoint } from "../domain/endpoint.ts";
import { type ConnectionEnds, proxyHeader } from "./proxyProtocol.ts";
import { ClosedError, SilentError } from "./reasons.ts";
import { STARTTLS } from "./starttls/index.ts";
import { overWire } from "./starttls/wire.ts";

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
  readonly endpoint: Endpoint;
  readonly address: string;
  /** Accept only a leaf of this kind; null: the server chooses. */
  readonly keyKind: KeyKind | null;
  /** Asked while the connection is open whether the right process holds its other end. Left out: any may. */
  readonly isServer?: (ends: ConnectionEnds) => Promise<boolean>;
}

const CLOSE_TIMEOUT_MS = 1_000;

/**
 * One key share instead of two: making one for the hybrid group costs as much as the rest of the handshake. A server
 * that insists on another group asks for it, also for the hybrid one (RFC 8446 §4.1.4).
 */
const GROUPS = "X25519:P-256:X448:P-384:P-521:X25519MLKEM768";

/**
 * The usual suites first, then all that OpenSSL has: a probe must reach whatever clients reach. Security level 0 is for
 * CCM8 with its short tags. Anonymous and pre-shared suites are left out, because they show no certificate.
 */
const CIPHERS = [
  ...["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"],
  ...["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"],
  ...["ECDHE+AESGCM", "ECDHE+CHACHA20", "HIGH", "ALL", "!aNULL", "!eNULL", "!PSK", "!SRP", "@SECLEVEL=0"],
].join(":");

export interface Handshake {
  /** It links to the rest of the served chain. */
  readonly leaf: X509Certificate;
  /** Such as `TLSv1.3`; null: the server refused this client after it had shown its certificate. */
  readonly protocol: string | null;
  readonly cipher: string | null;
  /** What `isServer` said; false: it was not asked. */
  readonly byServer: boolean;
}

/**
 * One handshake on a new socket, which is then closed. Rejects with the socket's error, what was wrong before the
 * handshake, a `SilentError` if time was up before it, or the signal's reason. No session is resumed: Node resumes only
 * a session that the caller passes in.
 */
export async function shakeHands(request: HandshakeRequest, signal: AbortSignal): Promise<Handshake> {
  const plain = await openConnection(request, signal);
  try {
    await prepare(plain, request.endpoint, signal);
  } catch (error) {
    plain.destroy();
    if (signal.aborted) throw new SilentError("the peer is silent", { cause: signal.reason });
    throw error;
  }
  return await takeCertificate(plain, request, signal);
}

function openConnection({ endpoint, address }: HandshakeRequest, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connectPlain({ host: address, port: endpoint.port });
    const aborted = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", aborted, { once: true });
    const settle = (): void => signal.removeEventListener("abort", aborted);
    socket.once("error", (error) => {
      settle();
      reject(error);
    });
    socket.once("connect", () => {
      settle();
      resolve(socket);
    });
  });
}

/** What comes before the first byte of TLS. */
async function prepare(socket: Socket, endpoint: Endpoint, signal: AbortSignal): Promise<void> {
  // The listener of `openConnection` has served: without one, an error now would end the process.
  socket.on("error", () => socket.destroy());
  const { proxyProtocol, starttls, sni } = endpoint;
  if (proxyProtocol !== undefined) {
    const ends = endsOf(socket);
    if (ends === null) throw new ClosedError("connection closed");
    socket.write(proxyHeader(proxyProtocol, ends));
  }
  if (starttls !== undefined) await overWire(socket, signal, (wire) => STARTTLS[starttls](wire, sni));
}

/** null: it is closed. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): ConnectionEnds | null {
  if (localAddress === undefined || localPort === undefined) return null;
  if (remoteAddress === undefined || remotePort === undefined) return null;
  return { localAddress, localPort, remoteAddress, remotePort };
}

function takeCertificate(plain: Socket, request: HandshakeRequest, signal: AbortSignal): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      plain.destroy();
      return reject(signal.reason);
    }
    const socket = connect({ ...connectionOptions(request), socket: plain });
    let agreed: Omit<Handshake, "byServer"> | null = null;
    let leaf: X509Certificate | undefined;
    // `keylog` comes only after the server has proved that it holds the private key.
    const capture = (): void => {
      leaf ??= socket.getPeerX509Certificate();
    };
    // While the kernel is asked about a handshake nothing undoes it: no server that closes, and no time limit.
    const ended = (error: () => unknown): void => {
      if (agreed === null) reject(error());
      else resolve({ ...agreed, byServer: false });
    };
    const aborted = (): void => {
      socket.destroy();
      ended(() => signal.reason);
    };
    const failed = (error: Error): void => {
      socket.destroy();
      // A TLS 1.2 server that requires a client certificate refuses renewd, but has already shown its own.
      if (agreed === null && leaf && isAlert(error)) resolve({ leaf, protocol: null, cipher: null, byServer: false });
      else ended(() => error);
    };
    signal.addEventListener("abort", aborted, { once: true });
    plain.once("error", failed);
    socket.once("close", () => {
      signal.removeEventListener("abort", aborted);
      plain.destroy();
      // An error costs a stack trace, and most are closed because all is done.
      ended(() => new ClosedError("connection closed"));
    });
    socket.on("error", failed);
    socket.on("keylog", capture);
    socket.once("secureConnect", () => {
      capture();
      if (!leaf) return reject(new Error("no certificate"));
      const shaken = { leaf, protocol: socket.getProtocol(), cipher: socket.getCipher().standardName };
      agreed = shaken;
      const end = (byServer: boolean): void => {
        resolve({ ...shaken, byServer });
        // Send close_notify, so that the server logs no error. The timeout keeps a silent peer from holding the socket.
        socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
        socket.destroySoon();
      };
      const ends = request.isServer && endsOf(plain);
      if (!ends) return end(false);
      request.isServer?.(ends).then(end, () => end(false));
    });
  });
}

function connectionOptions({ endpoint: { sni, alpn }, keyKind }: HandshakeRequest): ConnectionOptions {
  return {
    // RFC 6066 §3: an IP address is not a server name, so none is sent.
    servername: isIP(sni) ? "" : sni,
    // The only place in renewd that accepts any certificate: it records what is served and checks it afterwards.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    secureContext: contextFor(keyKind),
    ...(alpn !== undefined && { ALPNProtocols: [...alpn] }),
  };
}

const CONTEXTS = new Map<KeyKind | null, SecureContext>();

/**
 * Made once: that costs more than a handshake. It has no roots, as nothing is believed here; sessions are kept in no
 * context, but with the connection that they are of.
 */
function contextFor(keyKind: KeyKind | null): SecureContext {
  const known = CONTEXTS.get(keyKind);
  if (known !== undefined) return known;
  const made = createSecureContext({
    ca: [],
    ciphers: CIPHERS,
    ecdhCurve: GROUPS,
    ...(keyKind && { sigalgs: SIGNATURES[keyKind] }),
  });
  CONTEXTS.set(keyKind, made);
  return made;
}

function isAlert(error: Error & { readonly code?: unknown }): boolean {
  return typeof error.code === "string" && /^ERR_SSL_.*ALERT/.test(error.code);
}
