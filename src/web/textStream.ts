import { takingTurns } from "../domain/turns.ts";

const CHUNK_CHARACTERS = 32_768;

/**
 * A long text as its reader takes it: neither the whole of it nor much of the thread's time at a stretch is needed.
 * What fails before the first chunk is thrown here; later the connection ends.
 */
export async function textStream(
  parts: Iterable<string> | AsyncIterable<string>,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const iterator = Symbol.asyncIterator in parts ? parts[Symbol.asyncIterator]() : parts[Symbol.iterator]();
  const encoder = new TextEncoder();
  const turn = takingTurns();
  let first: IteratorResult<string> | null = await iterator.next();
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        let text = "";
        while (text.length < CHUNK_CHARACTERS) {
          const next: IteratorResult<string> = first ?? (await iterator.next());
          first = null;
          if (next.done === true) {
            if (text !== "") controller.enqueue(encoder.encode(text));
            controller.close();
            return;
          }
          text += next.value;
          await turn();
        }
        controller.enqueue(encoder.encode(text));
      },
      async cancel() {
        await iterator.return?.(undefined);
      },
    },
    // Nothing is made before somebody reads.
    { highWaterMark: 0 },
  );
}
