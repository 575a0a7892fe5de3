import { addAbortListener } from "node:events";
import type { Socket } from "node:net";
import { sanitize } from "../../domain/text.ts";
import { ClosedError } from "../reasons.ts";

/** A greeting with all its lines is a few hundred bytes long. */
const UNREAD_BYTES_MAX = 64 * 1024;
const LINES_MAX = 200;

/** The plain text before a TLS handshake, read no further than asked: what follows belongs to the handshake. */
export interface Wire {
  write(data: string | Uint8Array): void;
  /** One line without its end. */
  line(): Promise<string>;
  bytes(count: number): Promise<Buffer>;
  /** Up to and including the end of `pattern`. */
  until(pattern: RegExp): Promise<string>;
}

/** What a protocol says before the TLS handshake. Rejects with an Error whose message is for people. */
export type StartTls = (wire: Wire, serverName: string) => Promise<void>;

/** Runs `talk` over the socket. Rejects also if the peer sends anything before the handshake that was not asked for. */
export async function overWire(
  socket: Socket,
  signal: AbortSignal,
  talk: (wire: Wire) => Promise<void>,
): Promise<void> {
  let unread = Buffer.alloc(0);
  let failure: Error | null = null;
  let wake: () => void = () => {};
  const fail = (error: Error): void => {
    failure ??= error;
    wake();
  };
  const onReadable = (): void => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read())
      unread = Buffer.concat([unread, chunk]);
    if (unread.length > UNREAD_BYTES_MAX) fail(new Error(`it sends more than ${UNREAD_BYTES_MAX} bytes before TLS`));
    wake();
  };
  const onEnd = (): void => fail(new ClosedError("it closes the connection before TLS begins"));
  using _aborting = addAbortListener(signal, () => fail(new Error("aborted")));
  socket.on("readable", onReadable).on("end", onEnd).on("close", onEnd).on("error", fail);
  /** Waits until `find` finds where to cut. */
  const take = async (find: () => number): Promise<Buffer> => {
    for (;;) {
      const end = find();
      if (end > 0) {
        const taken = unread.subarray(0, end);
        unread = unread.subarray(end);
        return taken;
      }
      signal.throwIfAborted();
      if (failure !== null) throw failure;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  };
  try {
    await talk({
      write: (data) => void socket.write(data),
      line: async () => (await take(() => unread.indexOf("\n") + 1)).toString("latin1").replace(/\r?\n$/, ""),
      bytes: (count) => take(() => (unread.length >= count ? count : 0)),
      until: async (pattern) =>
        (
          await take(() => {
            const found = pattern.exec(unread.toString("latin1"));
            return found === null ? 0 : found.index + found[0].length;
          })
        ).toString("latin1"),
    });
    if (unread.length > 0) throw new Error("it sends something else before the TLS handshake");
  } finally {
    socket.off("readable", onReadable).off("end", onEnd).off("close", onEnd).off("error", fail);
  }
}

/** A reply of several lines, such as `250-STARTTLS`: all but the last have a hyphen after the code (RFC 5321 §4.2). */
export async function reply(wire: Wire): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  while (lines.length < LINES_MAX) {
    const line = await wire.line();
    lines.push(line.slice(4));
    const [, code, more] = /^(\d{3})([ -]?)/.exec(line) ?? [];
    if (code === undefined) throw unexpected(line);
    if (more !== "-") return { code: Number(code), lines };
  }
  throw new Error(`it answers with more than ${LINES_MAX} lines`);
}

/** Reads lines until one matches, and returns it. */
export async function lineThat(wire: Wire, pattern: RegExp): Promise<string> {
  for (let count = 0; count < LINES_MAX; count += 1) {
    const line = await wire.line();
    if (pattern.test(line)) return line;
  }
  throw new Error(`it answers with more than ${LINES_MAX} lines`);
}

export function unexpected(line: string): Error {
  return new Error(`it answers "${sanitize(line, 100)}" before TLS`);
}

export function notOffered(protocol: string, answer: string): Error {
  return new Error(`it offers no TLS for ${protocol}: it answers "${sanitize(answer, 100)}"`);
}
