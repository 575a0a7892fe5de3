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
  /** Oldest first. */
  const open = new Map<Socket, string>();
  const server = createServer((socket) => {
    const prefix = prefixOf(socket.remoteAddress ?? "");
    const ofPrefix = [...open].filter(([, each]) => each === prefix).map(([each]) => each);
    // A resolver asks at once and is answered in milliseconds. What is open for long is in nobody's way but then.
    const [first] = open.size >= CONNECTIONS_MAX ? open.keys() : [];
    const inTheWay = ofPrefix.length >= CONNECTIONS_PER_PREFIX_MAX ? ofPrefix[0] : first;
    if (inTheWay !== undefined) {
      counters.count("tcp", "connection");
      open.delete(inTheWay);
      inTheWay.destroy();
    }
    open.set(socket, prefix);
    socket.once("close", () => open.delete(socket));
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
      for (const socket of open.keys()) socket.destroy();
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
