import { randomInt } from "node:crypto";
import { addAbortListener } from "node:events";
import { createConnection } from "node:net";
import { decode, encode } from "dns-packet";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { addressNames } from "./zone.ts";

/** Of the whole transfer: the zone of a large provider has tens of megabytes. */
const BYTES_MAX = 64 * 1_048_576;
const NAMES_MAX = 20_000;
const TIMEOUT_MS = 60_000;

const records = z.array(z.object({ name: z.string(), type: z.string() }));

export interface TransferRequest {
  readonly server: { readonly address: string; readonly port: number };
  readonly zone: string;
  /** Signs the question; left out: it is sent as it is. */
  readonly sign?: (message: Buffer) => Buffer;
}

/**
 * Names of a zone that have an address or an alias, by a zone transfer (AXFR, RFC 5936). The signatures of signed answers
 * are not checked: the names are only dialled. Throws `dns.refused` when the server does not hand the zone out, and
 * `dns.unreachable`.
 */
export async function transferNames({ server, zone, sign }: TransferRequest, signal: AbortSignal): Promise<string[]> {
  const where = `${server.address} (port ${server.port})`;
  const question = encode({
    ...{ type: "query", id: randomInt(65_536), flags: 0 },
    questions: [{ name: zone, type: "AXFR", class: "IN" }],
  });
  const names = new Set<string>();
  let soas = 0;
  const read = (message: Buffer): boolean => {
    const rcode = message.length < 12 ? -1 : message.readUInt16BE(2) & 0xf;
    if (rcode !== 0 || message.readUInt16BE(0) !== question.readUInt16BE(0))
      throw new RenewalError(
        "dns.refused",
        `${where} does not hand out zone ${zone} (rcode ${rcode}): allow this machine, or the key, to transfer it`,
      );
    const answers = records.parse(decode(message).answers ?? []);
    soas += answers.filter(({ type }) => type === "SOA").length;
    for (const name of addressNames(answers)) names.add(name);
    // The zone begins and ends with its SOA (RFC 5936 §2.2).
    return soas >= 2 || names.size >= NAMES_MAX;
  };
  try {
    await exchange(
      server,
      sign?.(question) ?? question,
      read,
      AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    );
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof RenewalError) throw cause;
    throw new RenewalError("dns.unreachable", `${where} did not hand out all of zone ${zone}`, { cause });
  }
  return [...names].filter((name) => name === zone || name.endsWith(`.${zone}`));
}

/** Sends one message over TCP and reads answers until `read` has enough. */
function exchange(
  { address, port }: TransferRequest["server"],
  message: Buffer,
  read: (message: Buffer) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.reject(signal.reason);
  const socket = createConnection({ host: address, port });
  const listening = addAbortListener(signal, () => reject(signal.reason));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let received = 0;
  socket.on("connect", () => socket.write(Buffer.concat([length, message])));
  socket.on("data", (chunk: Buffer) => {
    try {
      received += chunk.length;
      if (received > BYTES_MAX) throw new Error(`more than ${BYTES_MAX} bytes`);
      waiting.push(chunk);
      waitingBytes += chunk.length;
      // Joined only when a message may be whole: one sent byte by byte must not cost its square.
      if (waitingBytes < 2) return;
      let bytes = Buffer.concat(waiting);
      while (bytes.length >= 2 && bytes.length >= bytes.readUInt16BE() + 2) {
        const end = bytes.readUInt16BE() + 2;
        if (read(bytes.subarray(2, end))) return resolve();
        bytes = bytes.subarray(end);
      }
      waiting = [bytes];
      waitingBytes = bytes.length;
    } catch (error) {
      reject(error);
    }
  });
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the connection was closed before the zone's end")));
  return promise.finally(() => {
    listening[Symbol.dispose]();
    socket.destroy();
  });
}
