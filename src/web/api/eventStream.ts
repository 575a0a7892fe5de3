import type { EventType, HistoryEvent } from "../../domain/event.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import type { WebContext } from "../context.ts";
import { HttpProblem } from "../problem.ts";
import { toEvent } from "./items.ts";

/** Each holds a connection and a little memory. */
const STREAMS_MAX = 500;
/** A reader that takes nothing for so long is dropped. */
const STALLED_MS = 2 * MINUTE_MS;

interface StreamQuery {
  readonly afterSeq?: number | undefined;
  readonly certificate?: string | undefined;
  readonly renewal?: string | undefined;
  readonly type?: readonly EventType[] | undefined;
}

const open = new WeakMap<WebContext, number>();

/** Server-sent events. Read as fast as the client takes them: what waits is in the database, not in memory. */
export async function eventStream(
  web: WebContext,
  query: StreamQuery,
  lastEventId: string | null,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const afterSeq = positionOf(lastEventId) ?? query.afterSeq ?? null;
  const count = open.get(web) ?? 0;
  if (count >= STREAMS_MAX)
    throw new HttpProblem(503, `${STREAMS_MAX} event streams are open already`, {
      code: "web.unavailable",
      action: "Close streams that nobody reads, or ask /api/v1/events from time to time.",
    });
  open.set(web, count + 1);
  const ended = new AbortController();
  const events = await web.events.read(afterSeq, AbortSignal.any([signal, ended.signal])).catch((thrown: unknown) => {
    open.set(web, (open.get(web) ?? 1) - 1);
    throw thrown;
  });
  const encoder = new TextEncoder();
  let isOpen = true;
  let stalled: NodeJS.Timeout | undefined;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    clearTimeout(stalled);
    open.set(web, (open.get(web) ?? 1) - 1);
    ended.abort(new Error("closed"));
    await events.return(undefined);
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      // The client knows at once that it is connected, and how soon to come back.
      controller.enqueue(encoder.encode("retry: 2000\n\n"));
    },
    async pull(controller) {
      clearTimeout(stalled);
      for (;;) {
        const next = await events.next();
        if (next.done === true) {
          await close();
          controller.close();
          return;
        }
        const text = next.value === null ? ": quiet\n\n" : framed(next.value, query);
        if (text === null) continue;
        controller.enqueue(encoder.encode(text));
        // Read on, it is asked again with the number of the last event.
        stalled = setTimeout(() => {
          controller.error(new Error("nothing was read for too long"));
          void close();
        }, STALLED_MS);
        return;
      }
    },
    cancel: close,
  });
}

/** null: not what was asked for. */
function framed(event: HistoryEvent, { certificate, renewal, type }: StreamQuery): string | null {
  if (certificate !== undefined && event.certificate !== certificate) return null;
  if (renewal !== undefined && event.renewalId !== renewal) return null;
  if (type !== undefined && type.length > 0 && !type.includes(event.type)) return null;
  // JSON has no line break, so no text can end a frame or begin another.
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(toEvent(event))}\n\n`;
}

function positionOf(header: string | null): number | null {
  if (header === null || header === "") return null;
  if (!/^\d{1,15}$/.test(header)) throw new HttpProblem(400, "Last-Event-ID: must be the number of an event");
  return Number(header);
}
