// A counting, scriptable TLS proxy in front of an ACME CA: sees what a client asks, and answers in the CA's place where
// a test says so. It passes the Host header on, because Pebble builds its URLs from it and checks JWS `url` against it.
import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Agent, createServer, request as httpsRequest } from "node:https";
import { createRoot } from "./pki.ts";

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** `directory`, `newNonce`, `newAccount`, `newOrder` …; null for orders, authorizations and the like. */
  readonly resource: string | null;
  /** The JWS payload; null for GET, HEAD and POST-as-GET. */
  readonly payload: unknown;
}

export interface ProxyAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
  /** Sent in place of `body`, for what is no text. */
  readonly bytes?: Buffer;
}

/**
 * Answers in the CA's place, forwards and perhaps changes the answer, or returns `reset` to cut the connection. null:
 * forwarded as it is.
 */
export type Interceptor = (
  request: ProxiedRequest,
  forward: () => Promise<ProxyAnswer>,
) => Promise<ProxyAnswer | "reset" | null>;

export interface AcmeProxy extends AsyncDisposable {
  readonly directory: string;
  readonly trustPem: string;
  /** Everything asked so far. */
  readonly requests: readonly ProxiedRequest[];
  count(resource: string): number;
  /** null: forward all. */
  intercept: Interceptor | null;
  /** Where requests go; change it to put another CA behind the same URLs. */
  upstream: Upstream;
  /** TLS connections accepted so far. */
  connections(): number;
  close(): Promise<void>;
}

export interface Upstream {
  readonly directory: string;
  readonly trustPem: string;
  /** Resolves when the certificate of this finalized order is made. */
  issued?(finalizePath: string): Promise<void>;
}

export async function startAcmeProxy(upstream: Upstream): Promise<AcmeProxy> {
  const root = await createRoot({ name: "Proxy root" });
  const tls = await root.issue({ names: ["127.0.0.1", "localhost"] });
  const requests: ProxiedRequest[] = [];
  const resources = new Map<string, string>();
  let connections = 0;
  let queue: Promise<unknown> = Promise.resolve();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  const handle = async (incoming: IncomingMessage): Promise<ProxyAnswer | "reset"> => {
    const body = await readAll(incoming);
    const path = incoming.url ?? "/";
    const request = {
      method: incoming.method ?? "",
      path,
      headers: incoming.headers,
      resource: resources.get(path) ?? null,
      payload: payloadOf(body),
    };
    requests.push(request);
    // One at a time: Pebble 2.4 deadlocks with many requests in flight.
    const forward = (): Promise<ProxyAnswer> => {
      const answer = queue.then(() => send(proxy.upstream, agent, incoming, body));
      queue = answer.catch(() => undefined);
      return answer;
    };
    return (await proxy.intercept?.(request, forward)) ?? forward();
  };
  const server = createServer({ cert: tls.certPem, key: tls.keyPem }, (incoming, outgoing) => {
    handle(incoming).then(
      (answer) => {
        if (answer === "reset") return void incoming.socket.destroy();
        const sent = answer.bytes ?? Buffer.from(answer.body);
        outgoing.writeHead(answer.status, { ...answer.headers, "content-length": sent.length });
        outgoing.end(incoming.method === "HEAD" ? undefined : sent);
      },
      () => void incoming.socket.destroy(),
    );
  });
  server.on("secureConnection", () => {
    connections++;
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const close = async (): Promise<void> => {
    agent.destroy();
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  const proxy: AcmeProxy = {
    directory: `https://127.0.0.1:${port}${new URL(upstream.directory).pathname}`,
    trustPem: root.certPem,
    requests,
    count: (resource) => requests.filter((request) => request.resource === resource).length,
    intercept: null,
    upstream,
    connections: () => connections,
    close,
    [Symbol.asyncDispose]: close,
  };
  resources.set(new URL(upstream.directory).pathname, "directory");
  await learn(upstream, resources);
  return proxy;
}

async function learn(upstream: Upstream, resources: Map<string, string>): Promise<void> {
  const url = new URL(upstream.directory);
  const answer = await exchange(
    upstream,
    new Agent(),
    { method: "GET", path: url.pathname, headers: { host: url.host, "user-agent": "renewd-tests" } },
    "",
  );
  const directory: unknown = JSON.parse(answer.body);
  for (const [name, value] of Object.entries(directory ?? {})) {
    if (typeof value === "string" && URL.canParse(value)) resources.set(new URL(value).pathname, name);
  }
}

async function send(upstream: Upstream, agent: Agent, incoming: IncomingMessage, body: string): Promise<ProxyAnswer> {
  const { connection: _connection, ...headers } = incoming.headers;
  const path = incoming.url ?? "/";
  const answer = await exchange(upstream, agent, { method: incoming.method ?? "GET", path, headers }, body);
  if (path.includes("/finalize-order/") && answer.status === 200) await upstream.issued?.(path);
  return answer;
}

interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}

function exchange(upstream: Upstream, agent: Agent, outgoing: Outgoing, body: string): Promise<ProxyAnswer> {
  const { hostname, port } = new URL(upstream.directory);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { ...outgoing, hostname, port, ca: upstream.trustPem, servername: "localhost", agent },
      (response) => {
        const { connection: _connection, "transfer-encoding": _encoding, ...headers } = response.headers;
        readAll(response).then((text) => resolve({ status: response.statusCode ?? 0, headers, body: text }), reject);
      },
    );
    request.on("error", reject);
    request.end(body === "" ? undefined : body);
  });
}

function payloadOf(body: string): unknown {
  if (body === "") return null;
  const jws: unknown = JSON.parse(body);
  const payload =
    typeof jws === "object" && jws !== null && "payload" in jws && typeof jws.payload === "string" ? jws.payload : "";
  return payload === "" ? null : JSON.parse(Buffer.from(payload, "base64url").toString());
}

async function readAll(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
