import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { DnsCounters } from "./counters.ts";
import { prefixOf } from "./rateLimit.ts";
import type { Respond } from "./respond.ts";
import type { Listener, Listening } from "./udp.ts";

/** A query of a resolver; longer ones are no queries for us. */
const MESSAGE_BYTES_MAX = 4_096;
const CONNECTIONS_MAX = 500;
const CONNECTIONS_PER_PREFIX_MAX = 50;
/** RFC 7766 §6.2.3 wants seconds; a resolver that is done closes by itself. */
const IDLE_MS = 5_000;
const CONNECTION_MAX_MS = 30_000;
const QUERIES_PER_CONNECTION_MAX = 200;

/** DNS over TCP (RFC 7766). Rejects when it cannot listen; later failures are only logged. */
export async function listenTcp(
  { host, port, ipv6Only, respond, log }: Listening,
  counters: Pick<DnsCounters, "count">,
): Promise<Listener> {
  const byPrefix = new Map<string, number>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const prefix = prefixOf(socket.remoteAddress ?? "");
    const ofPrefix = byPrefix.get(prefix) ?? 0;
    if (sockets.size >= CONNECTIONS_MAX || ofPrefix >= CONNECTIONS_PER_PREFIX_MAX) {
      counters.count("tcp", "connection");
      socket.destroy();
      return;
    }
    byPrefix.set(prefix, ofPrefix + 1);
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      const left = (byPrefix.get(prefix) ?? 1) - 1;
      if (left > 0) byPrefix.set(prefix, left);
      else byPrefix.delete(prefix);
    });
    serve(socket, respond);
  });
  server.listen({ host, port, ipv6Only, reusePort: port !== 0 });
  await once(server, "listening");
  server.on("error", (err) => log?.error({ err }, "DNS server failed (TCP)"));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function serve(socket: Socket, respond: Respond): void {
  const limit = setTimeout(() => socket.destroy(), CONNECTION_MAX_MS);
  socket.once("close", () => clearTimeout(limit));
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  // A reset says nothing that anybody needs to know.
  socket.on("error", () => socket.destroy());
  answerEach(socket, respond).catch(() => socket.destroy());
}

/** One query after another: the next is read when the answer to the one before was taken. */
async function answerEach(socket: Socket, respond: Respond): Promise<void> {
  let pending = Buffer.alloc(0);
  let answered = 0;
  for await (const chunk of socket) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2) {
      const length = pending.readUInt16BE(0);
      if (length > MESSAGE_BYTES_MAX || answered >= QUERIES_PER_CONNECTION_MAX) return void socket.destroy();
      if (pending.length < 2 + length) break;
      const message = pending.subarray(2, 2 + length);
      pending = pending.subarray(2 + length);
      // A handshake proves the sender's address.
      const answer = await respond(message, { transport: "tcp", verdict: "answer" });
      if (answer === null) return void socket.destroy();
      answered += 1;
      const prefix = Buffer.alloc(2);
      prefix.writeUInt16BE(answer.length);
      if (!socket.write(Buffer.concat([prefix, answer]))) await once(socket, "drain");
    }
  }
  socket.end();
}
