import { createHmac, timingSafeEqual } from "node:crypto";
import type { Secret } from "../../../domain/secret.ts";

/** Shared keys sign DNS messages (RFC 8945). */
export interface TsigKey {
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  /** In base64. */
  readonly secret: Secret;
}

export const TSIG_ALGORITHMS = ["hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1"] as const;
export type TsigAlgorithm = (typeof TSIG_ALGORITHMS)[number];

const TYPE_TSIG = 250;
const CLASS_ANY = 255;
/** Seconds by which the clocks may differ. */
const FUDGE_S = 300;
const HEADER_BYTES = 12;
const ADDITIONAL_COUNT_AT = 10;

export interface SignedMessage {
  readonly message: Buffer;
  /** The answer is signed over it. */
  readonly mac: Buffer;
}

export interface TsigRecord {
  readonly mac: Buffer;
  readonly timeS: number;
  /** 0: none, else such as 16 BADSIG, 17 BADKEY, 18 BADTIME (RFC 8945 §3). */
  readonly error: number;
  readonly other: Buffer;
  /** Where the record begins in the message. */
  readonly offset: number;
  readonly originalId: number;
}

export function nameBytes(name: string): Buffer {
  const labels = name
    .toLowerCase()
    .replace(/\.$/, "")
    .split(".")
    .filter((label) => label !== "");
  const parts = labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "ascii")]));
  return Buffer.concat([...parts, Buffer.alloc(1)]);
}

export function sign(message: Buffer, key: TsigKey, nowMs: number): SignedMessage {
  const timeS = Math.floor(nowMs / 1_000);
  const mac = macOver([message, variables(key, { timeS, error: 0, other: Buffer.alloc(0) })], key);
  const algorithm = nameBytes(key.algorithm);
  const rest = Buffer.alloc(6);
  rest.writeUInt16BE(message.readUInt16BE(0), 0);
  const data = Buffer.concat([algorithm, time48(timeS), u16(FUDGE_S), u16(mac.length), mac, rest]);
  const record = Buffer.concat([
    nameBytes(key.name),
    u16(TYPE_TSIG),
    u16(CLASS_ANY),
    Buffer.alloc(4),
    u16(data.length),
    data,
  ]);
  const signed = Buffer.concat([message, record]);
  signed.writeUInt16BE(message.readUInt16BE(ADDITIONAL_COUNT_AT) + 1, ADDITIONAL_COUNT_AT);
  return { message: signed, mac };
}

/** Whether the answer to `request` was signed with the key. */
export function isSignedAnswer(answer: Buffer, request: SignedMessage, key: TsigKey): boolean {
  const record = findTsig(answer);
  if (record === null) return false;
  const bare = Buffer.from(answer.subarray(0, record.offset));
  bare.writeUInt16BE(answer.readUInt16BE(ADDITIONAL_COUNT_AT) - 1, ADDITIONAL_COUNT_AT);
  bare.writeUInt16BE(record.originalId, 0);
  const expected = macOver([u16(request.mac.length), request.mac, bare, variables(key, record)], key);
  return expected.length === record.mac.length && timingSafeEqual(expected, record.mac);
}

/** The TSIG record is the last of the message; null: there is none, or the message is broken. */
export function findTsig(message: Buffer): TsigRecord | null {
  try {
    let at = HEADER_BYTES;
    for (let left = message.readUInt16BE(4); left > 0; left--) at = afterName(message, at) + 4;
    const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(ADDITIONAL_COUNT_AT);
    for (let left = records; left > 0; left--) {
      const offset = at;
      const fixed = afterName(message, at);
      const end = fixed + 10 + message.readUInt16BE(fixed + 8);
      if (left === 1 && message.readUInt16BE(fixed) === TYPE_TSIG) return readTsig(message, offset, fixed + 10);
      at = end;
    }
    return null;
  } catch {
    // Reading past the end.
    return null;
  }
}

function readTsig(message: Buffer, offset: number, dataAt: number): TsigRecord {
  const at = afterName(message, dataAt);
  const macLength = message.readUInt16BE(at + 8);
  const macAt = at + 10;
  const rest = macAt + macLength;
  const otherLength = message.readUInt16BE(rest + 4);
  return {
    offset,
    timeS: message.readUIntBE(at, 6),
    mac: message.subarray(macAt, rest),
    originalId: message.readUInt16BE(rest),
    error: message.readUInt16BE(rest + 2),
    other: message.subarray(rest + 6, rest + 6 + otherLength),
  };
}

function afterName(message: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = message.readUInt8(at);
    if (length === 0) return at + 1;
    // A pointer ends the name (RFC 1035 §4.1.4).
    if (length >= 0xc0) return at + 2;
    at += length + 1;
  }
}

/** RFC 8945 §4.3.3 */
function variables(key: TsigKey, { timeS, error, other }: Pick<TsigRecord, "timeS" | "error" | "other">): Buffer {
  return Buffer.concat([
    ...[nameBytes(key.name), u16(CLASS_ANY), Buffer.alloc(4), nameBytes(key.algorithm), time48(timeS), u16(FUDGE_S)],
    ...[u16(error), u16(other.length), other],
  ]);
}

function macOver(parts: readonly Buffer[], { algorithm, secret }: TsigKey): Buffer {
  const hmac = createHmac(algorithm.replace("hmac-", ""), Buffer.from(secret.reveal().trim(), "base64"));
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

function time48(timeS: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(timeS, 0, 6);
  return bytes;
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
