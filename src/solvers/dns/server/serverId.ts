import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { decode, encode } from "dns-packet";
import { SERVER_ID } from "./answer.ts";

const IDENTITY_CHARACTERS_MAX = 100;

/** What a name server calls itself (RFC 4892); "": nothing. Rejects when nobody answers. */
export async function askServerId(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<string> {
  // A source port of its own each: the kernel chooses the listener by it.
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  // What comes after the answer matters no more.
  socket.on("error", () => {});
  try {
    socket.connect(port, host);
    await once(socket, "connect", { signal });
    socket.send(encode({ id: 1, questions: [{ name: SERVER_ID, type: "TXT", class: "CH" }] }));
    const [bytes]: unknown[] = await once(socket, "message", { signal });
    const answer = Buffer.isBuffer(bytes) ? decode(bytes).answers?.[0] : undefined;
    if (answer?.type !== "TXT") return "";
    return String(answer.data).slice(0, IDENTITY_CHARACTERS_MAX);
  } finally {
    socket.close();
  }
}
