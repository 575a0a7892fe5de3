import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import type { Site } from "./sites.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A new connection to a site, its certificate verified as a browser would; no session is resumed. Destroy it. */
export async function connectTo({ port, sni }: Site, rootPem: string): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, servername: sni, ca: rootPem });
  socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () =>
    socket.destroy(new Error(`silent for ${HANDSHAKE_TIMEOUT_MS / 1000} s`)),
  );
  socket.on("error", () => undefined);
  try {
    await once(socket, "secureConnect");
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
