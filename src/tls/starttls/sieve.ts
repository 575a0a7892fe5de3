import { lineThat, notOffered, type StartTls, unexpected } from "./wire.ts";

/** ManageSieve (RFC 5804 §2.2). The greeting lists capabilities and ends with OK. */
export const sieve: StartTls = async (wire) => {
  const greeting = await lineThat(wire, /^(OK|NO|BYE)\b/i);
  if (!/^OK\b/i.test(greeting)) throw unexpected(greeting);
  wire.write("STARTTLS\r\n");
  const answer = await lineThat(wire, /^(OK|NO|BYE)\b/i);
  if (!/^OK\b/i.test(answer)) throw notOffered("sieve", answer);
};
