import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { Identifier } from "../domain/identifier.ts";
import type { ChallengeResponses } from "../domain/issuer.ts";
import type { Log } from "../domain/log.ts";
import { ACME_TLS, INSTALLATION_NAME, tlsAlpnPlace, validatedBy } from "../domain/tlsAlpn.ts";
import { createTlsAlpnCertificate } from "../x509/tlsAlpn.ts";
import { type ClientHello, readClientHello } from "./clientHello.ts";
import type { ConnectionLimits } from "./connectionLimits.ts";
import { type Listener, type ListenerWords, type ListeningAddress, serve } from "./listen.ts";

const CONNECTION_MAX_MS = 10_000;
const LIMITS: ConnectionLimits = {
  connectionsMax: 1_000,
  incompletePerAddressMax: 100,
  headersMaxMs: CONNECTION_MAX_MS,
  connectionMaxMs: CONNECTION_MAX_MS,
};
const SERVER_NAME_CHARACTERS_MAX = 253;
/** Of TLS 1.2: level fatal, handshake_failure. */
const REFUSAL = Buffer.from([21, 3, 3, 0, 2, 2, 40]);
const WORDS: ListenerWords = {
  code: "tlsAlpn01.address",
  name: "tls-alpn-01 responder",
  section: "tlsAlpn01",
  publicPort: 443,
  sharing:
    `let it pass connections with the ALPN protocol ${ACME_TLS} on to renewd at another \`tlsAlpn01.port\` ` +
    "(docs/port80.md)",
};

export interface TlsAlpn01ResponderOptions extends ListeningAddress {
  readonly challenges: Pick<ChallengeResponses, "get">;
  /** Named to who asks for `INSTALLATION_NAME`: two installations on one port find each other by it. Not secret. */
  readonly identity?: string;
  /** ms since epoch. */
  readonly now: () => number;
  readonly log?: Log;
}

/**
 * Answers tls-alpn-01 validations (RFC 8737) and nothing else: it faces the Internet. A handshake that does not offer
 * `acme-tls/1`, or names no server with a challenge, is refused before it begins. It reads what any ACME worker stored,
 * so it may run in another process. Throws `tlsAlpn01.address` when it cannot listen.
 */
export async function startTlsAlpn01Responder(options: TlsAlpn01ResponderOptions): Promise<Listener> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    // A client that goes away is no fault.
    socket.on("error", () => socket.destroy());
    receiveHello(socket, (hello) => {
      answer(socket, hello, privateKey, options).catch((err: unknown) => {
        options.log?.error({ err }, "tls-alpn-01 answer could not be read from the store");
        refuse(socket);
      });
    });
  });
  const { host, port, log } = options;
  const dropConnections = (): void => {
    for (const socket of open) socket.destroy();
  };
  return serve(server, { host, port, log, words: WORDS, limits: LIMITS, dropConnections });
}

/** Leaves the message in the socket: the handshake needs it. */
function receiveHello(socket: Socket, received: (hello: ClientHello) => void): void {
  let bytes = Buffer.alloc(0);
  const receive = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const hello = readClientHello(bytes);
    if (hello === "more") return;
    socket.off("data", receive);
    socket.pause();
    if (hello === null) refuse(socket);
    else {
      socket.unshift(bytes);
      received(hello);
    }
  };
  socket.on("data", receive);
}

async function answer(
  socket: Socket,
  { serverName, protocols }: ClientHello,
  key: KeyObject,
  { challenges, identity, now }: Pick<TlsAlpn01ResponderOptions, "challenges" | "identity" | "now">,
): Promise<void> {
  if (!protocols.includes(ACME_TLS) || serverName === null || serverName.length > SERVER_NAME_CHARACTERS_MAX)
    return refuse(socket);
  const identifier = validatedBy(serverName);
  if (identifier.value === INSTALLATION_NAME && identity !== undefined) {
    const named: Identifier = { type: "dns", value: `${identity}.${INSTALLATION_NAME}` };
    return shakeHands(socket, contextOf(key, named, identity, now()));
  }
  const keyAuthorization = await challenges.get(tlsAlpnPlace(identifier));
  if (socket.destroyed) return;
  if (keyAuthorization === null) return refuse(socket);
  shakeHands(socket, contextOf(key, identifier, keyAuthorization, now()));
}

function contextOf(
  key: KeyObject,
  identifier: Identifier,
  keyAuthorization: string,
  now: number,
): ReturnType<typeof createSecureContext> {
  const certificate = Buffer.from(createTlsAlpnCertificate(key, identifier, keyAuthorization, now));
  return createSecureContext({
    key: key.export({ type: "pkcs8", format: "pem" }),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64")}\n-----END CERTIFICATE-----\n`,
    minVersion: "TLSv1.2",
  });
}

/** No data follows the handshake (RFC 8737 §3). */
function shakeHands(socket: Socket, secureContext: ReturnType<typeof createSecureContext>): void {
  const secure = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: [ACME_TLS] });
  secure.on("error", () => socket.destroy());
  secure.on("secure", () => secure.end());
  secure.resume();
}

function refuse(socket: Socket): void {
  if (!socket.destroyed) socket.end(REFUSAL, () => socket.destroy());
}
