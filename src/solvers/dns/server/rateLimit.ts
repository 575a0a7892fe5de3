import { isIPv6 } from "node:net";

export interface RateLimit {
  /** Answers a second to one source prefix, and how many at once. */
  readonly perSecond: number;
  readonly burst: number;
}

export type Verdict = "answer" | "truncate" | "drop";

interface Bucket {
  tokens: number;
  at: number;
  /** Alternates: every second answer over the limit is a truncated one. */
  dropped: boolean;
}

/** Prefixes remembered at once; the one that was longest silent is forgotten first. */
const PREFIXES_MAX = 10_000;

/**
 * UDP senders can forge their address, so a name server can be made to flood a stranger. Over its limit a prefix gets
 * answers that are as small as its queries: a forged flood gains nothing, and a real resolver asks again over TCP.
 */
export function createRateLimit({ perSecond, burst }: RateLimit): (address: string, nowMs: number) => Verdict {
  const buckets = new Map<string, Bucket>();
  return (address, nowMs) => {
    const prefix = prefixOf(address);
    const bucket = buckets.get(prefix) ?? { tokens: burst, at: nowMs, dropped: true };
    // A Map keeps insertion order: whoever asked last is last.
    buckets.delete(prefix);
    buckets.set(prefix, bucket);
    if (buckets.size > PREFIXES_MAX) buckets.delete(buckets.keys().next().value ?? prefix);
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.at) / 1000) * perSecond);
    bucket.at = nowMs;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return "answer";
    }
    bucket.dropped = !bucket.dropped;
    return bucket.dropped ? "drop" : "truncate";
  };
}

/** What one sender can usually choose freely: a /24 of IPv4, a /56 of IPv6. */
export function prefixOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+)\.\d+$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address.split(".").slice(0, 3).join(".");
  const [head = "", tail] = (address.split("%", 1)[0] ?? "").split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after];
  const fourth = Number.parseInt(groups[3] ?? "0", 16) & 0xff00;
  return `${groups.slice(0, 3).join(":")}:${fourth.toString(16)}`;
}
