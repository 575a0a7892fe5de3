import type { Log } from "../../../domain/log.ts";
import { type Answer, answerQuery, type LookUp } from "./answer.ts";
import type { DnsCounters } from "./counters.ts";
import { writeAnswer, writeBad, writeTruncated } from "./message.ts";
import { isBad, type Query, readQuery } from "./query.ts";
import type { Verdict } from "./rateLimit.ts";
import type { ServedZone } from "./zone.ts";

export interface Responding {
  /** Of the configuration as it is now. */
  readonly zones: () => readonly ServedZone[];
  readonly lookUp: LookUp;
  /** Named to who asks for `SERVER_ID`. Not secret. */
  readonly identity?: string;
  readonly counters: DnsCounters;
  /** Queries that wait for the store at once, in all. */
  readonly waitingMax: number;
  readonly log?: Log;
}

/** Returns the bytes to send back; null: nothing may be sent. Never throws: bytes from the Internet cannot stop it. */
export type Respond = (
  message: Buffer,
  from: { readonly transport: "udp" | "tcp"; readonly verdict: Verdict },
) => Promise<Buffer | null>;

export function createResponder({ zones, lookUp, identity, counters, waitingMax, log }: Responding): Respond {
  let waiting = 0;
  const dropped = (): null => {
    counters.dropped += 1;
    return null;
  };
  const logged: LookUp = (name, zone) =>
    lookUp(name, zone).catch((err: unknown) => {
      log?.error({ err }, "a DNS answer could not be read from the store");
      throw err;
    });
  return async (message, { transport, verdict }) => {
    counters[transport === "udp" ? "queriesUdp" : "queriesTcp"] += 1;
    const query = readQuery(message);
    if (query === null || isBad(query)) counters.malformed += 1;
    if (query === null) return null;
    if (verdict === "drop") return dropped();
    if (isBad(query)) return writeBad(query);
    if (verdict === "truncate") {
      counters.truncated += 1;
      return writeTruncated(query, false);
    }
    if (waiting >= waitingMax) return dropped();
    waiting += 1;
    try {
      const answer = await answerQuery(query, zones(), { lookUp: logged, now: Date.now(), identity });
      const bytes = writeAnswer(query, answer, transport);
      count(counters, query, answer);
      if (isTruncated(bytes)) counters.truncated += 1;
      return bytes;
    } catch (err) {
      log?.error({ err }, "a DNS query could not be answered");
      return dropped();
    } finally {
      waiting -= 1;
    }
  };
}

function count(counters: DnsCounters, { question }: Query, { rcode, answers }: Answer): void {
  if (rcode === "SERVFAIL") counters.failed += 1;
  else if (rcode !== "NOERROR") counters.refused += 1;
  else if (answers.length === 0) counters.noData += 1;
  else if (question.type === 16) counters.valuesServed += 1;
}

function isTruncated(bytes: Buffer): boolean {
  return (bytes.readUInt16BE(2) & 0x0200) !== 0;
}
