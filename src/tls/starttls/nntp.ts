import { notOffered, reply, type StartTls } from "./wire.ts";

/** RFC 4642 §2.2 */
export const nntp: StartTls = async (wire) => {
  const greeting = await reply(wire);
  if (greeting.code !== 200 && greeting.code !== 201) throw notOffered("nntp", `${greeting.code} ${greeting.lines[0]}`);
  wire.write("STARTTLS\r\n");
  const answer = await reply(wire);
  if (answer.code !== 382) throw notOffered("nntp", `${answer.code} ${answer.lines[0]}`);
};
