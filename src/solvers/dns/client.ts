import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { addAbortListener } from "node:events";
import { createConnection, isIPv6 } from "node:net";
import { type Answer as DnsAnswer, decode, encode, type Packet, type RecordType } from "dns-packet";
import { RenewalError } from "../../domain/errors.ts";
import { sanitize } from "../../domain/text.ts";
import type { ResolverOption } from "./options.ts";
import { overHttps } from "./overHttps.ts";

export interface Question {
  readonly name: string;
  readonly type: RecordType;
}

export interface Reply {
  /** Such as `NOERROR`, `NXDOMAIN`, `SERVFAIL`. */
  readonly rcode: string;
  readonly authoritative: boolean;
  readonly answers: readonly DnsAnswer[];
  readonly authorities: readonly DnsAnswer[];
}

export interface AskOptions {
  /** Ask the server to resolve the name: for resolvers, not for authoritative servers. */
  readonly recurse: boolean;
  /** Do not have the resolver validate DNSSEC: what fails only without this flag has broken signatures. */
  readonly checkingDisabled?: boolean;
  /** Have the server send RRSIG records along (the DO bit, RFC 3225). */
  readonly signatures?: boolean;
}

/** When a query is sent again, after the first time: networks lose one now and then, and an order waits for the answer. */
const UDP_REPEATS_MS = [400, 1_500];
const UDP_TIMEOUT_MS = 3_000;
const TCP_TIMEOUT_MS = 4_000;
const HTTPS_TIMEOUT_MS = 6_000;
/** What passes every network unfragmented (DNS flag day 2020). */
const UDP_BYTES_MAX = 1_232;
const HEADER_BYTES = 12;
const RECURSION_DESIRED = 1 << 8;
const CHECKING_DISABLED = 1 << 4;
const DNSSEC_OK = 1 << 15;

/**
 * One question to one server: UDP, then TCP when the answer is cut off or none comes. Throws `dns.unreachable` when
 * neither gets an answer, or the signal's reason. Any rcode is an answer.
 */
export async function ask(
  server: ResolverOption,
  question: Question,
  options: AskOptions,
  signal: AbortSignal,
): Promise<Reply> {
  signal.throwIfAborted();
  const query = encodeQuery(question, options);
  if (server.kind === "https") return readReply(await askOverHttps(server.url, query, signal), query, question);
  let udpTrouble = "";
  try {
    const reply = await overUdp(server, query, question, signal);
    if (!reply.truncated) return reply;
  } catch (error) {
    signal.throwIfAborted();
    udpTrouble = textOf(error);
  }
  try {
    return readReply(await exchangeTcp(server, query, TCP_TIMEOUT_MS, signal), query, question);
  } catch (error) {
    signal.throwIfAborted();
    const udp = udpTrouble === "" ? "" : ` (UDP: ${udpTrouble})`;
    throw new RenewalError("dns.unreachable", `${serverName(server)} gave no answer: ${textOf(error)}${udp}`, {
      cause: error,
    });
  }
}

export function serverName(server: ResolverOption): string {
  if (server.kind === "https") return server.url;
  const host = isIPv6(server.address) ? `[${server.address}]` : server.address;
  return server.port === 53 ? server.address : `${host}:${server.port}`;
}

function encodeQuery(
  { name, type }: Question,
  { recurse, checkingDisabled = false, signatures = false }: AskOptions,
): Buffer {
  return encode({
    type: "query",
    id: randomInt(65_536),
    flags: (recurse ? RECURSION_DESIRED : 0) | (checkingDisabled ? CHECKING_DISABLED : 0),
    questions: [{ name, type, class: "IN" }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: UDP_BYTES_MAX,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: signatures ? DNSSEC_OK : 0,
        flag_do: signatures,
        options: [],
      },
    ],
  });
}

interface UdpReply extends Reply {
  readonly truncated: boolean;
}

function overUdp(
  { address, port }: Extract<ResolverOption, { kind: "dns" }>,
  query: Buffer,
  question: Question,
  signal: AbortSignal,
): Promise<UdpReply> {
  const { promise, resolve, reject } = Promise.withResolvers<UdpReply>();
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  const timer = setTimeout(() => reject(new Error(`no answer within ${UDP_TIMEOUT_MS} ms`)), UDP_TIMEOUT_MS);
  const listening = addAbortListener(signal, () => reject(signal.reason));
  socket.on("error", reject);
  socket.on("message", (message) => {
    // Anybody can send to an open port: what does not answer this very question is dropped, and the wait goes on.
    try {
      resolve(readReply(message, query, question));
    } catch {}
  });
  // Connected: the kernel drops what comes from another address, and reports a closed port at once.
  // Not its callback, which would get what keeps it from connecting, such as no route, in place of `error`.
  const send = (): void => socket.send(query);
  const repeats: NodeJS.Timeout[] = [];
  socket.once("connect", () => {
    send();
    repeats.push(...UDP_REPEATS_MS.map((ms) => setTimeout(send, ms)));
  });
  socket.connect(port, address);
  return promise.finally(() => {
    for (const each of [timer, ...repeats]) clearTimeout(each);
    listening[Symbol.dispose]();
    socket.close();
  });
}

/** Sends one message over TCP and returns the first that comes back (RFC 1035 §4.2.2). */
export function exchangeTcp(
  { address, port }: { readonly address: string; readonly port: number },
  message: Buffer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = createConnection({ host: address, port });
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const listening = addAbortListener(signal, () => reject(signal.reason));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  let received: Buffer = Buffer.alloc(0);
  socket.on("connect", () => socket.write(Buffer.concat([length, message])));
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 2) return;
    const bytes = received.readUInt16BE();
    if (received.length >= bytes + 2) resolve(received.subarray(2, bytes + 2));
  });
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the connection was closed without an answer")));
  return promise.finally(() => {
    clearTimeout(timer);
    listening[Symbol.dispose]();
    socket.destroy();
  });
}

async function askOverHttps(url: string, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  try {
    return await overHttps(url, query, AbortSignal.any([signal, AbortSignal.timeout(HTTPS_TIMEOUT_MS)]));
  } catch (error) {
    signal.throwIfAborted();
    throw new RenewalError("dns.unreachable", `${url} gave no answer: ${textOf(error)}`, { cause: error });
  }
}

/** Throws a plain error for what is no answer to this question. */
function readReply(message: Buffer, query: Buffer, question: Question): UdpReply {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== query.readUInt16BE(0))
    throw new Error("it answered another question");
  let packet: Packet & { readonly rcode?: string };
  try {
    packet = decode(message);
  } catch (cause) {
    throw new Error("its answer is not a DNS message", { cause });
  }
  const [asked] = packet.questions ?? [];
  const isEcho = asked === undefined || asked.name.toLowerCase() === question.name.toLowerCase();
  if (packet.type !== "response" || !isEcho) throw new Error("it answered another question");
  const flags = message.readUInt16BE(2);
  return {
    rcode: sanitize(packet.rcode ?? `rcode ${flags & 0xf}`, 20),
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    answers: packet.answers ?? [],
    authorities: packet.authorities ?? [],
  };
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return sanitize(String(error), 200);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return sanitize(error.message === "fetch failed" ? `no connection${cause}` : error.message, 200);
}
