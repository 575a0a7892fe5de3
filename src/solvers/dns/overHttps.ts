import { addAbortListener, once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

/** A DNS message has a length of 16 bits. */
const MESSAGE_BYTES_MAX = 65_535;
const MESSAGE = "application/dns-message";
const HEADERS = { "content-type": MESSAGE, accept: MESSAGE };

/**
 * One query to a DoH server (RFC 8484). By HTTP/2, which §5.2 of it recommends and BIND and Knot Resolver insist on;
 * by HTTP/1.1 where the server has no HTTP/2. Throws foreign errors; the signal bounds it.
 */
export async function overHttps(url: string, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  const at = new URL(url);
  const socket = await secured(at, signal);
  if (socket.alpnProtocol === "h2") return overHttp2(at, socket, query, signal);
  socket.destroy();
  return overHttp1(at, query, signal);
}

async function secured({ hostname, port }: URL, signal: AbortSignal): Promise<TLSSocket> {
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = connectTls({
    ...{ host, port: Number(port || 443), ALPNProtocols: ["h2", "http/1.1"] },
    ...(isIP(host) === 0 && { servername: host }),
  });
  try {
    await once(socket, "secureConnect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function overHttp2(at: URL, socket: TLSSocket, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  const session = connectHttp2(at.origin, { createConnection: () => socket });
  const failed = Promise.withResolvers<never>();
  session.once("error", failed.reject);
  const listening = addAbortListener(signal, () => failed.reject(signal.reason));
  try {
    return await Promise.race([exchange(session, at, query), failed.promise]);
  } finally {
    listening[Symbol.dispose]();
    session.destroy();
  }
}

async function exchange(session: ClientHttp2Session, at: URL, query: Buffer): Promise<Buffer> {
  const path = at.pathname + at.search;
  const stream = session.request({ ":method": "POST", ":path": path, ...HEADERS, "content-length": query.length });
  stream.end(query);
  const [headers] = await once(stream, "response");
  if (headers[":status"] !== 200) throw new Error(`it answered ${headers[":status"]}`);
  return bounded(stream);
}

async function overHttp1(at: URL, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  const body = new Uint8Array(query);
  const response = await fetch(at, { method: "POST", headers: HEADERS, body, redirect: "error", signal });
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  return bounded(response.body ?? []);
}

async function bounded(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MESSAGE_BYTES_MAX) throw new Error(`it answered with more than ${MESSAGE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
