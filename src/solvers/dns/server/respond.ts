import type { Log } from "../../../domain/log.ts";
import type { NameServerAnswer } from "../../../domain/nameServerTotals.ts";
import { type Answer, answerQuery, IN, type LookUp, TXT } from "./answer.ts";
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
  const logged: LookUp = (name, zone) =>
    lookUp(name, zone).catch((err: unknown) => {
      log?.error({ err }, "a DNS answer could not be read from the store");
      throw err;
    });
  return async (message, { transport, verdict }) => {
    const count = (answer: NameServerAnswer): void => counters.count(transport, answer);
    const query = readQuery(message);
    if (query === null || isBad(query) || verdict !== "answer")
      count(query === null || isBad(query) ? "malformed" : "rateLimited");
    if (query === null || verdict === "drop") return null;
    if (isBad(query)) return writeBad(query);
    if (verdict === "truncate") return writeTruncated(query, false);
    if (waiting >= waitingMax) {
      count("overloaded");
      return null;
    }
    waiting += 1;
    try {
      const answer = await answerQuery(query, zones(), { lookUp: logged, now: Date.now(), identity });
      const bytes = writeAnswer(query, answer, transport);
      count(isTruncated(bytes) ? "truncated" : kindOf(query, answer));
      return bytes;
    } catch (err) {
      log?.error({ err }, "a DNS query could not be answered");
      count("failed");
      return null;
    } finally {
      waiting -= 1;
    }
  };
}

function kindOf({ question }: Query, { rcode, answers }: Answer): NameServerAnswer {
  if (rcode === "SERVFAIL") return "failed";
  if (rcode !== "NOERROR") return "refused";
  if (answers.length === 0) return "noData";
  return question.type === TXT && question.class === IN ? "value" : "zone";
}

function isTruncated(bytes: Buffer): boolean {
  return (bytes.readUInt16BE(2) & 0x0200) !== 0;
}
