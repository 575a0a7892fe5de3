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

/** A tab that takes nothing for so long is dropped; its browser connects again when it reads on. */
const STALLED_MS = MINUTE_MS;

let open = 0;

function apartMs(): number {
  return Math.max(APART_MS, open * APART_PER_STREAM_MS);
}

/**
 * Says that something has changed; the page then asks for itself. One stream per tab: browsers open six connections to
 * one server. Told at once is a browser that comes back after a restart, or after sleep, and a page that was read before
 * something that has happened meanwhile.
 */
export function liveStream(web: WebContext, request: Request<WebEnv>): Response | Promise<Response> {
  if (open >= STREAMS_MAX) return request.body(null, 503, { "retry-after": "30" });
  request.header("x-accel-buffering", "no");
  return streamSSE(request, async (stream) => {
    open += 1;
    const ended = new AbortController();
    stream.onAbort(() => ended.abort());
    let id = 0;
    let saidAt = 0;
    let saying: NodeJS.Timeout | null = null;
    let isWriting = false;
    const say = async (): Promise<void> => {
      saying = null;
      // Who does not read is not written to again: what was said already makes the page ask once it reads.
      if (isWriting) return;
      isWriting = true;
      saidAt = performance.now();
      id += 1;
      const stalled = setTimeout(() => ended.abort(), STALLED_MS);
      await stream.writeSSE({ event: "renewd-changed", data: "", id: `${id}` }).catch(() => ended.abort());
      clearTimeout(stalled);
      isWriting = false;
    };
    try {
      const events = await web.events.read(null, ended.signal);
      const isOld = request.req.header("last-event-id") !== undefined || (await hasHappened(web, request));
      // With an id from the start: a tab to which nothing was said yet comes back after a restart as well.
      if (isOld) void say();
      else await stream.writeSSE({ event: "renewd-here", data: "", id: "0" });
      for await (const event of events) {
        const elapsedMs = performance.now() - saidAt;
        // A comment shows a broken connection to both ends.
        if (event === null && elapsedMs < QUIET_MS) await stream.write(": here\n\n");
        else saying ??= setTimeout(() => void say(), Math.max(0, apartMs() - elapsedMs));
      }
    } finally {
      if (saying !== null) clearTimeout(saying);
      open -= 1;
    }
  });
}

/** `after`: the newest event that the page may show. */
async function hasHappened(web: WebContext, request: Request<WebEnv>): Promise<boolean> {
  const after = Number(request.req.query("after") ?? Number.NaN);
  if (!Number.isSafeInteger(after) || after < 0) return false;
  return (await web.renewal.store.events.list({ afterSeq: after, limit: 1 })).length > 0;
}
