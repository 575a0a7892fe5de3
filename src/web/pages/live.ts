import type { Context as Request } from "hono";
import { streamSSE } from "hono/streaming";
import { MINUTE_MS } from "../../domain/time.ts";
import type { WebContext, WebEnv } from "../context.ts";

/** Of one browser several tabs; of all together so many that memory stays bounded. */
const STREAMS_MAX = 500;
/** Ages and proofs grow old although nothing happens. */
const QUIET_MS = MINUTE_MS;
/** A burst of events is one change. */
const APART_MS = 1_000;
/** Each change of the history makes every tab ask for its page: the more tabs, the further apart. */
const APART_PER_STREAM_MS = 50;

let open = 0;

/**
 * Says that something has changed; the page then asks for itself. One stream per tab: browsers open six connections to
 * one server. A browser that comes back after a restart, or after sleep, is told at once.
 */
export function liveStream(web: WebContext, request: Request<WebEnv>): Response | Promise<Response> {
  if (open >= STREAMS_MAX) return request.body(null, 503, { "retry-after": "30" });
  request.header("x-accel-buffering", "no");
  return streamSSE(request, async (stream) => {
    open += 1;
    const ended = new AbortController();
    stream.onAbort(() => ended.abort());
    let id = 0;
    let saidAt = performance.now();
    let saying: NodeJS.Timeout | null = null;
    const say = (): void => {
      saying = null;
      saidAt = performance.now();
      id += 1;
      stream.writeSSE({ event: "renewd-changed", data: "", id: `${id}` }).catch(() => ended.abort());
    };
    try {
      if (request.req.header("last-event-id") !== undefined) say();
      for await (const event of await web.events.read(null, ended.signal)) {
        const elapsedMs = performance.now() - saidAt;
        // A comment shows a broken connection to both ends.
        if (event === null && elapsedMs < QUIET_MS) await stream.write(": here\n\n");
        else saying ??= setTimeout(say, Math.max(0, Math.max(APART_MS, open * APART_PER_STREAM_MS) - elapsedMs));
      }
    } finally {
      if (saying !== null) clearTimeout(saying);
      open -= 1;
    }
  });
}
