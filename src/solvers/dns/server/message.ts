import { encode, type Answer as PacketRecord } from "dns-packet";
import type { Answer, Rcode, ZoneRecord } from "./answer.ts";
import { type BadQuery, HEADER_BYTES, type Query } from "./query.ts";

/** Never fragmented on the Internet (DNS flag day 2020); what does not fit is asked again over TCP. */
export const UDP_BYTES_MAX = 1232;
/** RFC 1035 §4.2.1: without EDNS. */
const PLAIN_UDP_BYTES_MAX = 512;
const TCP_BYTES_MAX = 65_535;
const TYPE_AND_CLASS_BYTES = 4;
const POINTER = 0xc000;
const RESPONSE = 0x8000;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const CODES: Readonly<Record<Rcode | BadQuery["rcode"], number>> = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NOTIMP: 4,
  REFUSED: 5,
  // Its upper bits are in the OPT record (RFC 6891 §6.1.3).
  BADVERS: 16,
};

export function writeBad({ id, opcode, recursionDesired, rcode }: BadQuery): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(RESPONSE | (opcode << 11) | (recursionDesired ? RECURSION_DESIRED : 0) | CODES[rcode], 2);
  return header;
}

export function writeAnswer(query: Query, answer: Answer, transport: "udp" | "tcp"): Buffer {
  const whole = assemble(query, answer, 0);
  if (whole.length <= bytesMax(query, transport)) return whole;
  return writeTruncated(query, answer.authoritative);
}

/** As long as the query, but for the OPT record: the sender should ask again over TCP, which cannot be forged. */
export function writeTruncated(query: Query, authoritative: boolean): Buffer {
  return assemble(query, { rcode: "NOERROR", authoritative, answers: [], authorities: [] }, TRUNCATED);
}

function bytesMax({ edns }: Query, transport: "udp" | "tcp"): number {
  if (transport === "tcp") return TCP_BYTES_MAX;
  if (edns === null) return PLAIN_UDP_BYTES_MAX;
  return Math.min(Math.max(edns.payloadBytes, PLAIN_UDP_BYTES_MAX), UDP_BYTES_MAX);
}

function assemble(query: Query, { rcode, authoritative, answers, authorities }: Answer, extraFlags: number): Buffer {
  const code = CODES[rcode];
  const header = Buffer.alloc(HEADER_BYTES);
  const flags =
    RESPONSE | extraFlags | (authoritative ? AUTHORITATIVE : 0) | (query.recursionDesired ? RECURSION_DESIRED : 0);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(flags | (code & 0xf), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt16BE(authorities.length, 8);
  header.writeUInt16BE(query.edns === null ? 0 : 1, 10);
  // The question is repeated byte for byte: its spelling is the resolver's proof that we saw it.
  return Buffer.concat([header, query.questionBytes, records(query, [...answers, ...authorities]), opt(query, code)]);
}

/**
 * dns-packet writes whole messages without compression. Its header is left away, and an owner that the question ends
 * with is a pointer there (RFC 1035 §4.1.4): the shorter an answer, the less a forged question can do with it.
 */
function records({ question: { spelled }, questionBytes }: Query, all: readonly ZoneRecord[]): Buffer {
  const asked = spelled.toLowerCase();
  const nameBytes = questionBytes.length - TYPE_AND_CLASS_BYTES;
  return Buffer.concat(
    all.map((record) => {
      const bytes = encode({ answers: [toPacket(record)] }).subarray(HEADER_BYTES);
      const owner = record.name.toLowerCase();
      if (asked !== owner && !asked.endsWith(`.${owner}`)) return bytes;
      // A length before each label, and the root.
      const ownerBytes = owner.length + 2;
      const pointer = Buffer.alloc(2);
      pointer.writeUInt16BE(POINTER | (HEADER_BYTES + nameBytes - ownerBytes));
      return Buffer.concat([pointer, bytes.subarray(ownerBytes)]);
    }),
  );
}

function toPacket(record: ZoneRecord): PacketRecord {
  const { name, ttlSeconds: ttl } = record;
  const owned = { name, ttl, class: "IN" as const };
  switch (record.type) {
    case "TXT":
      return { ...owned, class: record.class ?? owned.class, type: "TXT", data: [record.data] };
    case "CAA":
      return { ...owned, type: "CAA", data: { flags: 0, ...record.data } };
    case "HINFO":
      return { ...owned, type: "HINFO", data: record.data };
    case "SOA":
      return { ...owned, type: "SOA", data: record.data };
    default:
      return { ...owned, type: record.type, data: record.data };
  }
}

/** RFC 6891 §6.1.2. Options of the query are ignored: client subnet and cookies change none of our answers. */
function opt({ edns }: Query, code: number): Buffer {
  if (edns === null) return Buffer.alloc(0);
  const bytes = Buffer.alloc(11);
  bytes.writeUInt16BE(41, 1);
  bytes.writeUInt16BE(UDP_BYTES_MAX, 3);
  bytes.writeUInt8(code >> 4, 5);
  return bytes;
}
