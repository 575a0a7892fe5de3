import { randomInt } from "node:crypto";
import { nameBytes, u16 } from "./tsig.ts";

/** dns-packet has no class NONE, by which one value is deleted (RFC 2136 §2.5.4), so this message is made here. */
const OPCODE_UPDATE = 5 << 11;
const CLASS_IN = 1;
const CLASS_NONE = 254;
const TYPE_SOA = 6;
const TYPE_TXT = 16;
/** A character-string has one byte for its length (RFC 1035 §3.3). */
const CHUNK_BYTES_MAX = 255;

export interface TxtUpdate {
  readonly zone: string;
  readonly name: string;
  readonly value: string;
  /** null: delete this value. */
  readonly ttlS: number | null;
}

export function encodeTxtUpdate({ zone, name, value, ttlS }: TxtUpdate): Buffer {
  const ttl = Buffer.alloc(4);
  ttl.writeUInt32BE(ttlS ?? 0);
  const data = txtData(value);
  const record = Buffer.concat([
    ...[nameBytes(name), u16(TYPE_TXT), u16(ttlS === null ? CLASS_NONE : CLASS_IN), ttl, u16(data.length), data],
  ]);
  const header = Buffer.concat([u16(randomInt(65_536)), u16(OPCODE_UPDATE), ...[1, 0, 1, 0].map(u16)]);
  return Buffer.concat([header, nameBytes(zone), u16(TYPE_SOA), u16(CLASS_IN), record]);
}

function txtData(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  const chunks: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += CHUNK_BYTES_MAX) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES_MAX);
    chunks.push(Buffer.from([chunk.length]), chunk);
  }
  return Buffer.concat(chunks);
}
