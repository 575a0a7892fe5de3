import { notOffered, reply, type StartTls } from "./wire.ts";

/** RFC 4217 §4 */
export const ftp: StartTls = async (wire) => {
  const greeting = await reply(wire);
  if (greeting.code !== 220) throw notOffered("ftp", `${greeting.code} ${greeting.lines[0]}`);
  wire.write("AUTH TLS\r\n");
  const answer = await reply(wire);
  if (answer.code !== 234) throw notOffered("ftp", `${answer.code} ${answer.lines[0]}`);
};
