import type { RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { WebEnv } from "./context.ts";
import { isReading, type ReaderGate, tooMany } from "./readerGate.ts";

/**
 * The app as what Node's servers call. A request that is no HTTP (a missing, second or malformed Host) is answered with
 * 400. While no more readers can wait, the next one is refused before anything is done for it: refusing must cost next
 * to nothing.
 */
export function nodeListener(app: Hono<WebEnv>, readers: Pick<ReaderGate, "isFull">): RequestListener {
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const { problem } = tooMany();
  const body = JSON.stringify(problem);
  const headers = {
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "retry-after": String(problem.retryAfterS),
  };
  return (request, response) => {
    // Of two hosts a proxy may believe the one and we the other (RFC 9112 §3.2).
    const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host");
    if (hosts.length > 1) return void response.writeHead(400, { connection: "close" }).end();
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    if (!readers.isFull() || !isReading(request.method ?? "", path)) return void answer(request, response);
    response.writeHead(problem.status, headers).end(request.method === "HEAD" ? undefined : body);
  };
}
