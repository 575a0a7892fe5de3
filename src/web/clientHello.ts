/** What of a TLS ClientHello (RFC 8446 §4.1.2) decides whether it is answered. */
export interface ClientHello {
  /** null: it names no server. */
  readonly serverName: string | null;
  /** ALPN (RFC 7301), in the client's order. */
  readonly protocols: readonly string[];
}

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
const RECORD_BYTES_MAX = 16_384;
/** Of version and random number. */
const FIXED_BYTES = 34;

/**
 * Reads the message that a TLS connection begins with. `more`: it has not arrived as a whole. null: it is none. One
 * that is spread over several records is not read: with a few extensions it fits in one.
 */
export function readClientHello(bytes: Buffer): ClientHello | "more" | null {
  if (bytes.length < 5) return bytes.length === 0 || bytes[0] === HANDSHAKE ? "more" : null;
  const length = bytes.readUInt16BE(3);
  if (bytes[0] !== HANDSHAKE || bytes[1] !== 3 || length < 4 || length > RECORD_BYTES_MAX) return null;
  if (bytes.length < 5 + length) return "more";
  try {
    return helloOf(new Cursor(bytes.subarray(5, 5 + length)));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function helloOf(record: Cursor): ClientHello | null {
  if (record.number(1) !== CLIENT_HELLO) return null;
  const hello = record.vector(3);
  hello.take(FIXED_BYTES);
  for (const lengthBytes of [1, 2, 1]) hello.vector(lengthBytes);
  let serverName: string | null = null;
  const protocols: string[] = [];
  if (hello.isEmpty) return { serverName, protocols };
  for (const extensions = hello.vector(2); !extensions.isEmpty; ) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === SERVER_NAME) serverName = serverNameOf(content);
    if (type === ALPN) for (const list = content.vector(2); !list.isEmpty; ) protocols.push(list.vector(1).text());
  }
  return { serverName, protocols };
}

/** RFC 6066 §3: a list, of which only host names are defined. */
function serverNameOf(content: Cursor): string | null {
  const list = content.vector(2);
  return list.number(1) === 0 ? list.vector(2).text() : null;
}

/** Reads forward. Throws a RangeError at the end. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError("the message ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(bytes: number): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  /** A part with its length in front. */
  vector(lengthBytes: number): Cursor {
    return new Cursor(this.take(this.number(lengthBytes)));
  }

  text(): string {
    return this.#bytes.toString("latin1");
  }
}
