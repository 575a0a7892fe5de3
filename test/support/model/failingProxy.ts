// A TCP proxy that lets so many bytes from the client through and then fails, as a network does half-way.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Failure {
  /** `cut`: both sides are told that it is over; `silence`: nobody is told, nothing more goes through. */
  readonly how: "cut" | "silence";
  readonly afterBytes: number;
}

export interface FailingProxy extends AsyncDisposable {
  readonly port: number;
  /** For connections from now on; null: none. */
  failure: Failure | null;
  /** From the client, over the latest connection. */
  readonly bytes: number;
}

export async function startFailingProxy(upstreamPort: number): Promise<FailingProxy> {
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((client) => {
    const upstream = connect({ port: upstreamPort, host: "127.0.0.1", noDelay: true });
    const { how, afterBytes } = proxy.failure ?? { how: "cut", afterBytes: Number.POSITIVE_INFINITY };
    bytes = 0;
    let failed = false;
    const fail = (): void => {
      failed = true;
      if (how === "silence") return;
      // What was let through still arrives.
      upstream.end();
      client.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("close", () => upstream.end());
    upstream.on("close", () => client.destroy());
    upstream.on("data", (chunk: Buffer) => failed || client.write(chunk));
    client.on("data", (chunk: Buffer) => {
      if (failed) return;
      const allowed = chunk.subarray(0, afterBytes - bytes);
      bytes += allowed.length;
      upstream.write(allowed);
      if (bytes >= afterBytes) fail();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const proxy: FailingProxy = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    failure: null,
    get bytes() {
      return bytes;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
