/** What a name server reads of a query (RFC 1035 §4.1, RFC 6891). Foreign bytes: every read is bounded. */

export interface Question {
  /** Lower case, without the final dot; "" is the root. */
  readonly name: string;
  /** As it was asked: resolvers mix upper and lower case so that a forged answer is unlikely to match (0x20). */
  readonly spelled: string;
  readonly type: number;
  readonly class: number;
}

export interface Query {
  readonly id: number;
  readonly recursionDesired: boolean;
  readonly question: Question;
  /** The question section as it came, to be repeated in the answer. */
  readonly questionBytes: Uint8Array;
  readonly edns: Edns | null;
}

export interface Edns {
  /** Largest UDP answer that the sender can take, in bytes. */
  readonly payloadBytes: number;
  readonly version: number;
}

/** Answered with an error code and nothing else; `questionBytes` null: there is no question that can be repeated. */
export interface BadQuery {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly rcode: "FORMERR" | "NOTIMP";
}

export const HEADER_BYTES = 12;
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
const OPT = 41;
/** No resolver sends more than OPT and TSIG; the bound keeps a packet from costing more than it weighs. */
const ADDITIONALS_MAX = 4;

/**
 * Null: not a query, so nothing may be sent back; an answer to an answer would make a loop between two servers.
 */
export function readQuery(bytes: Buffer): Query | BadQuery | null {
  if (bytes.length < HEADER_BYTES) return null;
  const flags = bytes.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return null;
  const id = bytes.readUInt16BE(0);
  const opcode = (flags >> 11) & 0xf;
  const recursionDesired = (flags & 0x0100) !== 0;
  if (opcode !== 0) return { id, opcode, recursionDesired, rcode: "NOTIMP" };
  const bad: BadQuery = { id, opcode, recursionDesired, rcode: "FORMERR" };
  const counts = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  const [questions = 0, answers = 0, authorities = 0, additionals = 0] = counts;
  // RFC 9619: a query has exactly one question.
  if (questions !== 1 || answers !== 0 || authorities !== 0 || additionals > ADDITIONALS_MAX) return bad;
  const asked = readQuestion(bytes);
  if (asked === null) return bad;
  const edns = readAdditionals(bytes, asked.end, additionals);
  if (edns === undefined) return bad;
  const questionBytes = bytes.subarray(HEADER_BYTES, asked.end);
  return { id, recursionDesired, question: asked.question, questionBytes, edns };
}

export function isBad(query: Query | BadQuery): query is BadQuery {
  return "rcode" in query;
}

function readQuestion(bytes: Buffer): { readonly question: Question; readonly end: number } | null {
  const name = readName(bytes, HEADER_BYTES);
  if (name === null || name.end + 4 > bytes.length) return null;
  const question = {
    name: name.text.toLowerCase(),
    spelled: name.text,
    type: bytes.readUInt16BE(name.end),
    class: bytes.readUInt16BE(name.end + 2),
  };
  return { question, end: name.end + 4 };
}

/** The first name of a message: there is nothing before it that a compression pointer could point to. */
function readName(bytes: Buffer, start: number): { readonly text: string; readonly end: number } | null {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > LABEL_BYTES_MAX) return null;
    at += 1;
    if (length === 0) return { text: labels.join("."), end: at };
    if (at + length > bytes.length || at + length - start > NAME_BYTES_MAX - 1) return null;
    labels.push(printable(bytes.subarray(at, at + length)));
    at += length;
  }
}

/** A dot or backslash within a label, and any byte that is no letter, digit, hyphen or underscore, as `\DDD`. */
function printable(label: Uint8Array): string {
  return Array.from(label, (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(character) ? character : `\\${String(byte).padStart(3, "0")}`;
  }).join("");
}

/** Null: no EDNS. Undefined: not well-formed. */
function readAdditionals(bytes: Buffer, start: number, count: number): Edns | null | undefined {
  let edns: Edns | null = null;
  let at = start;
  for (let index = 0; index < count; index++) {
    const owner = skipName(bytes, at);
    if (owner === null || owner + 10 > bytes.length) return undefined;
    const end = owner + 10 + bytes.readUInt16BE(owner + 8);
    if (end > bytes.length) return undefined;
    if (bytes.readUInt16BE(owner) === OPT) {
      // RFC 6891 §6.1.1: one at most, and its owner is the root.
      if (edns !== null || owner !== at + 1) return undefined;
      edns = { payloadBytes: bytes.readUInt16BE(owner + 2), version: bytes[owner + 5] ?? 0 };
    }
    at = end;
  }
  return edns;
}

function skipName(bytes: Buffer, start: number): number | null {
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return null;
    // A pointer ends a name.
    if ((length & 0xc0) === 0xc0) return at + 2 <= bytes.length ? at + 2 : null;
    if (length > LABEL_BYTES_MAX || at - start > NAME_BYTES_MAX) return null;
    at += 1 + length;
    if (length === 0) return at;
  }
}
