// What the contract fakes of HTTP APIs share: one server that answers with what the vendor's rules say, or is
// disturbed.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import { createRoot } from "../ca/pki.ts";

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly host: string;
  readonly body: string;
}

export interface ApiReply {
  readonly status: number;
  /** JSON unless it is text already. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `hang` never answers; `reset` cuts the connection after acting. */
export type ApiDisturbance = ApiReply | "hang" | "reset";

export interface ApiFake extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  /** PEM of the CA that signed the server's certificate; null: plain HTTP. */
  readonly ca: string | null;
  /** `METHOD /path` of every request so far, in order. */
  readonly requests: readonly string[];
  /**
   * What the next requests get whose `METHOD /path` begins so (or matches), one each, or the same for all of them by
   * `disturbAlways`.
   */
  disturb(which: string | RegExp, ...disturbances: readonly ApiDisturbance[]): void;
  disturbAlways(which: string | RegExp, disturbance: ApiDisturbance): void;
  /** No longer disturbs anything. */
  calm(): void;
  /** As the conformance suite wants it: requests that match are never answered. */
  fallSilent(which: string | RegExp): { readonly asked: () => boolean; readonly mend: () => void };
  stop(): Promise<void>;
}

export interface ApiFakeOptions {
  /** Host names the server has a certificate for; left out: plain HTTP. */
  readonly tls?: readonly string[];
}

const BODY_BYTES_MAX = 8 * 1024 * 1024;

interface Rule {
  readonly which: string | RegExp;
  readonly left: ApiDisturbance[];
  readonly always: boolean;
}

export async function startApiFake(
  answer: (request: ApiRequest) => ApiReply | Promise<ApiReply>,
  options: ApiFakeOptions = {},
): Promise<ApiFake> {
  const requests: string[] = [];
  let rules: Rule[] = [];
  const matches = (line: string, which: string | RegExp): boolean =>
    typeof which === "string" ? line.startsWith(which) : which.test(line);
  const calm = (): void => {
    rules = [];
  };
  const disturbance = (line: string): ApiDisturbance | undefined => {
    const rule = rules.find(({ which, left }) => left.length > 0 && matches(line, which));
    return rule?.always === true ? rule.left[0] : rule?.left.shift();
  };
  const listener = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = await read(incoming);
    const line = `${request.method} ${request.path}`;
    requests.push(line);
    const disturbed = disturbance(line);
    if (disturbed === "hang") return;
    if (disturbed !== undefined && disturbed !== "reset") return send(response, disturbed);
    const reply = await answer(request);
    if (disturbed === "reset") incoming.socket.destroy();
    else send(response, reply);
  };
  const handle = (incoming: IncomingMessage, response: ServerResponse): void => {
    void listener(incoming, response).catch((error: unknown) =>
      send(response, { status: 500, body: `the fake failed: ${String(error)}` }),
    );
  };
  const { server, ca } = await serverFor(options, handle);
  const port = await listen(server);
  const stop = async (): Promise<void> => {
    const closed = server.listening ? once(server, "close") : null;
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    origin: `${ca === null ? "http" : "https"}://127.0.0.1:${port}`,
    port,
    ca,
    requests,
    disturb: (which, ...disturbances) => rules.push({ which, left: [...disturbances], always: false }),
    disturbAlways: (which, one) => rules.push({ which, left: [one], always: true }),
    calm,
    fallSilent(which) {
      const before = requests.length;
      rules.push({ which, left: ["hang"], always: true });
      return { asked: () => requests.slice(before).some((line) => matches(line, which)), mend: calm };
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function serverFor(
  { tls }: ApiFakeOptions,
  handle: (incoming: IncomingMessage, response: ServerResponse) => void,
): Promise<{ server: Server; ca: string | null }> {
  if (tls === undefined) return { server: createServer(handle), ca: null };
  const root = await createRoot();
  const { certPem, keyPem } = await root.issue({ names: ["127.0.0.1", "localhost", ...tls] });
  return { server: createTlsServer({ cert: certPem, key: keyPem }, handle), ca: root.certPem };
}

/**
 * An HTTP proxy whose every tunnel (CONNECT) ends at one port, so that a client may dial the vendor's real host names.
 */
export async function startTunnel(
  port: number,
): Promise<{ readonly url: string; readonly asked: readonly string[] } & AsyncDisposable> {
  const asked: string[] = [];
  const proxy = createServer((_request, response) => response.writeHead(405).end());
  const sockets = new Set<{ destroy(): void }>();
  proxy.on("connect", (request, socket, head) => {
    asked.push(String(request.url));
    const upstream = connect({ host: "127.0.0.1", port });
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on("error", () => {
        socket.destroy();
        upstream.destroy();
      });
      end.on("close", () => sockets.delete(end));
    }
    upstream.once("connect", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
  });
  const proxyPort = await listen(proxy);
  return {
    url: `http://127.0.0.1:${proxyPort}`,
    asked,
    async [Symbol.asyncDispose]() {
      const closed = once(proxy, "close");
      proxy.close();
      for (const socket of sockets) socket.destroy();
      proxy.closeAllConnections();
      await closed;
    },
  };
}

async function read(incoming: IncomingMessage): Promise<ApiRequest> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) throw new Error("body too large");
    chunks.push(piece);
  }
  const host = String(incoming.headers.host ?? "127.0.0.1");
  const url = new URL(incoming.url ?? "/", `http://${host}`);
  return {
    method: incoming.method ?? "GET",
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    headers: incoming.headers,
    host,
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

function send(response: ServerResponse, { status, body, headers = {} }: ApiReply): void {
  if (response.headersSent || response.destroyed) return;
  const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    ...(text !== "" && { "content-type": typeof body === "string" ? "text/plain" : "application/json" }),
    ...headers,
  });
  response.end(text);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
