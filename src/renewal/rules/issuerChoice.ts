import type { RenewalError } from "../../domain/errors.ts";
import { formatDuration, HOUR_MS } from "../../domain/time.ts";
import { asksToWait } from "./backoff.ts";

/** Failed attempts at one CA after which a passing trouble is taken for an outage. */
const FAILURES_MAX = 2;

/** A CA that wants us to wait longer, at once or altogether, is passed over. */
export const WAIT_MAX_MS = HOUR_MS;

/** What the present issuer has cost so far. */
export interface IssuerAttempts {
  /** Failed attempts, this one included. */
  readonly attempts: number;
  /** How long earlier attempts were told to wait. */
  readonly waitedMs: number;
}

/** Why to turn to another CA, or null. What is wrong with the names themselves (validation) or with a request of one's own is wrong for every CA. */
export function whySwitch(error: RenewalError, { attempts, waitedMs }: IssuerAttempts, now: number): string | null {
  const { code, facts, retryAt } = error;
  if (!code.startsWith("acme.") || facts.class === "validation" || code === "acme.ownCsr") return null;
  if (facts.retry === "never") return `no retry would help (${code})`;
  const waitMs = Math.max(0, (retryAt ?? now) - now);
  // A timeout that says when to ask again is about an order the CA has taken on.
  if (code !== "acme.timeout" && waitMs > WAIT_MAX_MS) return `it has to be waited for ${formatDuration(waitMs)}`;
  if (!asksToWait(error)) return attempts >= FAILURES_MAX ? `${attempts} attempts failed (${code})` : null;
  // Our own budget knows when there is room; a CA that puts us off again and again does not.
  const altogetherMs = code === "acme.budget" ? 0 : waitedMs + waitMs;
  return altogetherMs > WAIT_MAX_MS
    ? `it has to be waited for again, ${formatDuration(altogetherMs)} altogether`
    : null;
}
