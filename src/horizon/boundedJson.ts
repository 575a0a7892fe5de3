import { RenewalError } from "../domain/errors.ts";

const BODY_BYTES_MAX = 4_000_000;

/** The answer of `host`. Throws `horizon.unknown`. */
export async function boundedJson(response: Response, host: string): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    if (bytes > BODY_BYTES_MAX) throw unknown(`${host} answered more than ${BODY_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch (cause) {
    throw unknown(`${host} answered no JSON`, cause);
  }
}

function unknown(message: string, cause?: unknown): RenewalError {
  return new RenewalError("horizon.unknown", message, { cause });
}
