// A DNS server that knows CAA records only (RFC 8659), for what resolvers of the system cannot be told.
import { createSocket } from "node:dgram";
import { once } from "node:events";

const CAA = 257;

export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string;
}

export interface CaaProperty {
  readonly critical?: boolean;
  readonly tag: string;
  readonly value: string;
}

/** By name; `broken` answers SERVFAIL, a name that is missing has no records. */
export async function startDnsServer(
  records: Readonly<Record<string, readonly CaaProperty[] | "broken">>,
): Promise<DnsServer> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const { name, end } = readName(query, 12);
    const question = query.subarray(12, end + 4);
    const found = records[name] ?? [];
    const answers = found === "broken" ? [] : found;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(found === "broken" ? 0x8182 : 0x8180, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    header.writeUInt32BE(0, 8);
    socket.send(Buffer.concat([header, question, ...answers.map(encode)]), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}

function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), end: at + 1 };
}

/** The name is a pointer to the question (RFC 1035 §4.1.4). */
function encode({ critical = false, tag, value }: CaaProperty): Buffer {
  const data = Buffer.concat([Buffer.from([critical ? 128 : 0, tag.length]), Buffer.from(tag), Buffer.from(value)]);
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(0xc00c, 0);
  fixed.writeUInt16BE(CAA, 2);
  fixed.writeUInt16BE(1, 4);
  fixed.writeUInt32BE(60, 6);
  fixed.writeUInt16BE(data.length, 10);
  return Buffer.concat([fixed, data]);
}
