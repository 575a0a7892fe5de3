import { once } from "node:events";
import { connect, type DetailedPeerCertificate } from "node:tls";

export interface Handshake {
  readonly protocol: string | false;
  readonly certificate: DetailedPeerCertificate;
}

export interface HandshakeOptions {
  readonly port: number;
  readonly host?: string;
  readonly serverName?: string;
  readonly protocols?: readonly string[];
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
}

/** Connects as a CA does that validates by tls-alpn-01. Rejects when the handshake is refused. */
export async function shakeHands(options: HandshakeOptions): Promise<Handshake> {
  const { port, host = "127.0.0.1", serverName = "", protocols = ["acme-tls/1"], maxVersion = "TLSv1.3" } = options;
  const socket = connect({
    port,
    host,
    servername: serverName,
    ALPNProtocols: [...protocols],
    rejectUnauthorized: false,
    maxVersion,
  });
  try {
    await once(socket, "secureConnect");
    return { protocol: socket.alpnProtocol ?? false, certificate: socket.getPeerCertificate(true) };
  } finally {
    socket.destroy();
  }
}
