// A TLS server whose certificates can be exchanged while it runs: what the fakes of proxies serve with.
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContext } from "node:tls";

export interface Pair {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface SwappableTls extends AsyncDisposable {
  readonly port: number;
  /** By the names in the certificates. Throws, changing nothing, when a pair does not match. */
  serve(pairs: readonly Pair[]): void;
}

/** Connections for names it has no certificate for are reset. */
export async function startSwappableTls(): Promise<SwappableTls> {
  let served: { readonly leaf: X509Certificate; readonly context: SecureContext }[] = [];
  const open = new Set<Socket>();
  const server = createServer(
    {
      SNICallback: (name, done) => {
        const found = served.find(({ leaf }) => leaf.checkHost(name) !== undefined);
        if (found === undefined) done(new Error(`no certificate for ${name}`));
        else done(null, found.context);
      },
    },
    (socket) => socket.on("error", () => socket.destroy()).resume(),
  );
  server.on("tlsClientError", () => {});
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : 0,
    serve(pairs) {
      // OpenSSL compares key and certificate here.
      served = pairs.map(({ certPem, keyPem }) => ({
        leaf: new X509Certificate(certPem),
        context: createSecureContext({ cert: certPem, key: keyPem }),
      }));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
