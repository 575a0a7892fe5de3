import type { MiddlewareHandler } from "hono";
import type { WebEnv } from "./context.ts";
import { HttpProblem } from "./problem.ts";

const BODY_BYTES_MAX = 262_144;
const WITHOUT_BODY = new Set(["GET", "HEAD"]);

/**
 * Refuses a body that is too large before it is read; one whose length is not said is read up to the limit. Not hono's
 * own: that one copies the request as a whole, which the light requests of @hono/node-server cannot be.
 */
export function limitBody(): MiddlewareHandler<WebEnv> {
  return async (request, next) => {
    const { raw } = request.req;
    if (WITHOUT_BODY.has(raw.method) || raw.body === null) return next();
    const length = request.req.header("content-length");
    const isChunked = request.req.header("transfer-encoding") !== undefined;
    if (length !== undefined && !isChunked) {
      if (Number(length) > BODY_BYTES_MAX) throw tooLarge();
      return next();
    }
    const { method, headers, signal } = raw;
    const body = await readBounded(raw.body);
    request.req.raw = new Request(raw.url, { method, headers: new Headers(headers), body, signal });
    return next();
  };
}

async function readBounded(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function tooLarge(): HttpProblem {
  return new HttpProblem(413, `a body may have at most ${BODY_BYTES_MAX} bytes`);
}
