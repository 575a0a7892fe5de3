import { notOffered, type StartTls, unexpected } from "./wire.ts";

/** RFC 2595 §4 */
export const pop3: StartTls = async (wire) => {
  const greeting = await wire.line();
  if (!/^\+OK\b/i.test(greeting)) throw unexpected(greeting);
  wire.write("STLS\r\n");
  const answer = await wire.line();
  if (!/^\+OK\b/i.test(answer)) throw notOffered("pop3", answer);
};
