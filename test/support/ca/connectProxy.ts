// A proxy as companies have them: CONNECT only (RFC 9110 §9.3.6), and it may refuse.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface ConnectProxy extends AsyncDisposable {
  readonly url: string;
  /** `host:port` of every CONNECT so far. */
  readonly asked: readonly string[];
  /** Answer CONNECT with this status; null: let it through. `cut`: close the connection instead. */
  refuse: number | "cut" | null;
  /** Where tunnels lead instead of to what was asked for, as a proxy that looks inside would do. */
  divert: { readonly host: string; readonly port: number } | null;
}

export async function startConnectProxy(): Promise<ConnectProxy> {
  const asked: string[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer((_incoming, outgoing) => outgoing.writeHead(501).end());
  server.on("connect", ({ url = "" }, client: Socket) => {
    asked.push(url);
    sockets.add(client);
    client.on("error", () => undefined);
    if (proxy.refuse === "cut") return void client.destroy();
    if (proxy.refuse !== null) return void client.end(`HTTP/1.1 ${proxy.refuse} No\r\ncontent-length: 0\r\n\r\n`);
    const { hostname: host, port } = new URL(`http://${url}`);
    const upstream = connect(proxy.divert ?? { host, port: Number(port) }, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    sockets.add(upstream);
    upstream.on("error", () => client.destroy());
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const proxy: ConnectProxy = {
    url: `http://127.0.0.1:${port}`,
    asked,
    refuse: null,
    divert: null,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
