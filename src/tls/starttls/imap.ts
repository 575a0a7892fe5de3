import { lineThat, notOffered, type StartTls, unexpected } from "./wire.ts";

/** RFC 9051 §6.2.1 */
export const imap: StartTls = async (wire) => {
  const greeting = await wire.line();
  if (!/^\* OK\b/i.test(greeting)) throw unexpected(greeting);
  wire.write("a1 STARTTLS\r\n");
  const answer = await lineThat(wire, /^a1 /i);
  if (!/^a1 OK\b/i.test(answer)) throw notOffered("imap", answer);
};
