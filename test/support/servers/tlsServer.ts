// Real TLS servers for tests of what a probe sees: on free ports, closed with everything connected to them.
import { once } from "node:events";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createSecureContext, createServer, type SecureVersion, type TlsOptions } from "node:tls";

export interface ServedPair {
  /** Leaf first, then what the server sends after it. */
  readonly certPem: string;
  readonly keyPem: string;
}

export interface TlsServerOptions {
  /** One pair per key type; a client without server name, or with an unknown one, gets these. */
  readonly pairs: readonly ServedPair[];
  /** By server name. */
  readonly bound?: Readonly<Record<string, ServedPair>>;
  readonly address?: string;
  /** Default: a free one. */
  readonly port?: number;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  readonly clientCertificateCa?: string;
  /** OpenSSL cipher list. */
  readonly ciphers?: string;
}

export interface RunningServer extends AsyncDisposable {
  readonly port: number;
}

export interface Handshake {
  /** null: the client sent none. */
  readonly serverName: string | null;
  readonly resumed: boolean;
}

export interface RunningTlsServer extends RunningServer {
  /** The first handshakes, once the server has completed that many: it does so a little after its client. */
  handshakes(count: number): Promise<readonly Handshake[]>;
}

export async function startTlsServer(options: TlsServerOptions): Promise<RunningTlsServer> {
  const seen: Handshake[] = [];
  const server = createServer(contextOf(options), (socket) => {
    seen.push({
      serverName: typeof socket.servername === "string" ? socket.servername : null,
      resumed: socket.isSessionReused(),
    });
    socket.on("error", () => socket.destroy());
    socket.resume();
  });
  // What a client thinks of the certificate is the test's business, not the server's.
  server.on("tlsClientError", () => {});
  return {
    ...(await listen(server, options.address, options.port)),
    async handshakes(count) {
      while (seen.length < count) await once(server, "secureConnection");
      return seen.slice(0, count);
    },
  };
}

/** Accepts connections and does with them what `talk` says. */
export async function startTcpServer(talk: (socket: Socket) => void): Promise<RunningServer> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    talk(socket);
  });
  return listen(server);
}

function contextOf({
  pairs,
  bound,
  minVersion,
  maxVersion,
  clientCertificateCa,
  ciphers,
}: TlsServerOptions): TlsOptions {
  return {
    cert: pairs.map((pair) => pair.certPem),
    key: pairs.map((pair) => pair.keyPem),
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
    ...(ciphers && { ciphers }),
    ...(clientCertificateCa && { requestCert: true, rejectUnauthorized: true, ca: clientCertificateCa }),
    ...(bound && {
      SNICallback: (name, done) => {
        const pair = bound[name];
        done(null, pair && createSecureContext({ cert: pair.certPem, key: pair.keyPem }));
      },
    }),
  };
}

async function listen(server: Server, address = "127.0.0.1", port = 0): Promise<RunningServer> {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  server.listen(port, address);
  await once(server, "listening");
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
