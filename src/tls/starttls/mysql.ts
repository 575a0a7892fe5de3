import { notOffered, type StartTls } from "./wire.ts";

const PROTOCOL_VERSION = 10;
const CLIENT_PROTOCOL_41 = 0x200;
const CLIENT_SSL = 0x800;
const CLIENT_SECURE_CONNECTION = 0x8000;
const CLIENT_PLUGIN_AUTH = 0x8_0000;
const PACKET_BYTES_MAX = 0x100_0000;
/** utf8mb4 */
const CHARACTER_SET = 45;
/** Identity, thread, the first part of the challenge and a filler follow the server's version. */
const BEFORE_CAPABILITIES = 4 + 8 + 1;

/** The server greets with its capabilities; a client that wants TLS answers with a short login packet. */
export const mysql: StartTls = async (wire) => {
  const header = await wire.bytes(4);
  const greeting = await wire.bytes(header.readUIntLE(0, 3));
  const end = greeting.indexOf(0, 1);
  const at = end + 1 + BEFORE_CAPABILITIES;
  if (greeting[0] !== PROTOCOL_VERSION || end < 0 || greeting.length < at + 2)
    throw notOffered("mysql", greeting.toString("latin1"));
  if ((greeting.readUInt16LE(at) & CLIENT_SSL) === 0)
    throw notOffered("mysql", `version ${greeting.subarray(1, end).toString("latin1")} without TLS`);
  const request = Buffer.alloc(4 + 32);
  request.writeUIntLE(32, 0, 3);
  request.writeUInt8(1, 3);
  request.writeUInt32LE(CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH, 4);
  request.writeUInt32LE(PACKET_BYTES_MAX, 8);
  request.writeUInt8(CHARACTER_SET, 12);
  wire.write(request);
};
