import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { Log } from "../../../domain/log.ts";
import type { Verdict } from "./rateLimit.ts";
import type { Respond } from "./respond.ts";

export interface Listening {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** An IPv6 address takes no IPv4: another listener does. */
  readonly ipv6Only: boolean;
  readonly respond: Respond;
  readonly log?: Log;
}

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects when it cannot listen; later failures are only logged. */
export async function listenUdp(
  { host, port, ipv6Only, respond, log }: Listening,
  judge: (address: string, nowMs: number) => Verdict,
): Promise<Listener> {
  // Several processes of one machine share the port; any of them can answer for all.
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4", ipv6Only, reusePort: port !== 0 });
  let open = true;
  socket.on("message", (message: Buffer, { address, port: sourcePort }: RemoteInfo) => {
    // No client sends from port 0, and an answer to it cannot be sent.
    if (sourcePort === 0) return;
    respond(message, { transport: "udp", verdict: judge(address, performance.now()) })
      .then((answer) => {
        if (answer === null || !open) return;
        // An answer that cannot be sent (no route, full buffer) is asked for again.
        socket.send(answer, sourcePort, address, () => undefined);
      })
      .catch((err: unknown) => log?.error({ err }, "a DNS answer could not be sent"));
  });
  socket.bind({ address: host, port });
  await once(socket, "listening");
  socket.on("error", (err) => log?.error({ err }, "DNS server failed (UDP)"));
  return {
    port: socket.address().port,
    async close() {
      if (!open) return;
      open = false;
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}
