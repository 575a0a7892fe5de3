import { hostname } from "node:os";
import { notOffered, reply, type Wire } from "./wire.ts";

/** SMTP and LMTP differ in the word with which a client greets. */
export async function greetAndAsk(wire: Wire, protocol: string, word: "EHLO" | "LHLO"): Promise<void> {
  const greeting = await reply(wire);
  if (greeting.code !== 220) throw notOffered(protocol, `${greeting.code} ${greeting.lines[0]}`);
  wire.write(`${word} ${ownName()}\r\n`);
  const { code, lines } = await reply(wire);
  const offers = code === 250 && lines.some((line) => line.trim().toUpperCase() === "STARTTLS");
  if (!offers) throw notOffered(protocol, `${code} ${lines.join(", ")}`);
  wire.write("STARTTLS\r\n");
  const answer = await reply(wire);
  if (answer.code !== 220) throw notOffered(protocol, `${answer.code} ${answer.lines[0]}`);
}

/** Servers may refuse a greeting that is no host name (RFC 5321 §4.1.1.1). */
function ownName(): string {
  const name = hostname();
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$/.test(name) ? name : "localhost";
}
