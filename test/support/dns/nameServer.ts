// A small authoritative name server for tests, with the faults that real ones have. UDP and TCP on one port.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type Answer, decode, encode, type Packet } from "dns-packet";

const AUTHORITATIVE = 1 << 10;
const TRUNCATED = 1 << 9;
const NXDOMAIN = 3;
const SERVFAIL = 2;
const REFUSED = 5;

export interface TestRecord {
  readonly name: string;
  readonly type: "TXT" | "CNAME" | "NS" | "A" | "AAAA" | "SOA" | "CAA";
  /** Texts as they are; TXT one value, of several strings where it is long. */
  readonly data:
    | string
    | readonly string[]
    | { readonly flags: number; readonly tag: "issue" | "issuewild" | "iodef"; readonly value: string };
}

export interface NameServerFault {
  /** Answers nothing at all. */
  silent?: boolean;
  /** Answers nothing about such names. */
  silentAbout?: RegExp;
  /** Answers nothing over UDP. */
  noUdp?: boolean;
  /** So many of the next queries over UDP get lost on their way. */
  lost?: number;
  /** Cuts every answer over UDP off. */
  truncates?: boolean;
  /** Every answer is SERVFAIL; `unlessUnchecked`: only to those who want signatures checked. */
  fails?: boolean | "unlessUnchecked";
  /** Every answer to such a question is SERVFAIL: `AAAA name`. */
  failsAt?: RegExp;
}

export interface NameServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Zones by apex, and every record. A change is served at once. */
  readonly zones: string[];
  records: TestRecord[];
  fault: NameServerFault;
  /** What was asked: `UDP TXT name`. */
  readonly asked: string[];
  txt(name: string): string[];
}

/** `address`: servers of one test may share a port on different loopback addresses. */
export async function startNameServer(
  zones: readonly string[],
  records: readonly TestRecord[] = [],
  { address = "127.0.0.1", port = 0 }: { readonly address?: string; readonly port?: number } = {},
): Promise<NameServer> {
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    socket.on("error", () => undefined);
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < received.readUInt16BE(0) + 2) return;
      const reply = answer(server, received.subarray(2), "TCP");
      if (reply === null) return socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.end(Buffer.concat([length, reply]));
    });
  });
  tcp.listen(port, address);
  await once(tcp, "listening");
  const bound = tcp.address();
  const chosen = typeof bound === "object" && bound !== null ? bound.port : port;
  const udp = createSocket("udp4");
  udp.on("message", (message, peer) => {
    const reply = answer(server, message, "UDP");
    if (reply !== null) udp.send(reply, peer.port, peer.address);
  });
  udp.bind(chosen, address);
  await once(udp, "listening");
  const server: NameServer = {
    address,
    port: chosen,
    zones: [...zones],
    records: [...records],
    fault: {},
    asked: [],
    txt: (name) =>
      server.records.filter((each) => each.type === "TXT" && each.name === name).map(({ data }) => String(data)),
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      const closed = [once(tcp, "close"), once(udp, "close")];
      tcp.close();
      udp.close();
      await Promise.all(closed);
    },
  };
  return server;
}

function answer({ fault, asked, zones, records }: NameServer, message: Buffer, over: "UDP" | "TCP"): Buffer | null {
  const query = decode(message);
  const [question] = query.questions ?? [];
  if (question === undefined || fault.silent === true || (fault.noUdp === true && over === "UDP")) return null;
  if (fault.silentAbout?.test(question.name) === true) return null;
  if (over === "UDP" && (fault.lost ?? 0) > 0) {
    fault.lost = (fault.lost ?? 0) - 1;
    return null;
  }
  asked.push(`${over} ${question.type} ${question.name}`);
  const unchecked = (message.readUInt16BE(2) & 0x10) !== 0;
  const reply = (flags: number, more: Partial<Packet> = {}): Buffer =>
    encode({ type: "response", id: query.id ?? 0, flags, questions: [question], ...more });
  if (fault.fails === true || (fault.fails === "unlessUnchecked" && !unchecked)) return reply(SERVFAIL);
  if (fault.failsAt?.test(`${question.type} ${question.name}`) === true) return reply(SERVFAIL);
  if (fault.truncates === true && over === "UDP") return reply(AUTHORITATIVE | TRUNCATED);
  const name = question.name.toLowerCase();
  const zone = zones
    .filter((apex) => name === apex || name.endsWith(`.${apex}`))
    .sort((a, b) => b.length - a.length)[0];
  if (zone === undefined) return reply(REFUSED);
  const soa = {
    name: zone,
    type: "SOA",
    ttl: 1,
    data: { mname: `ns.${zone}`, rname: `h.${zone}`, serial: 1 },
  } as const;
  const here = matching(records, name);
  const found = here.filter(({ type }) => type === question.type || type === "CNAME");
  if (question.type === "SOA" && name === zone) return reply(AUTHORITATIVE, { answers: [soa] });
  const exists = here.length > 0 || name === zone || records.some((each) => each.name.endsWith(`.${name}`));
  if (found.length === 0) return reply(AUTHORITATIVE | (exists ? 0 : NXDOMAIN), { authorities: [soa] });
  // Boundary: each record was written as one of dns-packet's own.
  const answers = found.map(({ type, data }) => ({ name: question.name, type, ttl: 1, data })) as Answer[];
  return reply(AUTHORITATIVE, { answers });
}

/** A wildcard answers where nothing else is (RFC 4592). */
function matching(records: readonly TestRecord[], name: string): readonly TestRecord[] {
  const exact = records.filter((each) => each.name === name);
  if (exact.length > 0) return exact;
  const wildcard = `*${name.slice(name.indexOf("."))}`;
  return records.filter((each) => each.name === wildcard);
}
