import type { RenewalError } from "../../domain/errors.ts";
import { formatDuration, HOUR_MS } from "../../domain/time.ts";
import { asksToWait } from "./backoff.ts";

/** Failed attempts at one CA after which a passing trouble counts as an outage. */
const FAILURES_MAX = 2;

/** renewd passes over a CA that asks for a longer wait, in one answer or altogether. */
export const WAIT_MAX_MS = HOUR_MS;

/** What the present issuer has cost so far. */
export interface IssuerAttempts {
  /** Failed attempts, this one included. */
  readonly attempts: number;
  /** How long the CA made earlier attempts wait. */
  readonly waitedMs: number;
}

/**
 * Why to switch to another CA, or null. A fault of the names themselves (validation) or of the operator's own request
 * is the same at every CA.
 */
export function whySwitch(error: RenewalError, { attempts, waitedMs }: IssuerAttempts, now: number): string | null {
  const { code, facts, retryAt } = error;
  if (!code.startsWith("acme.") || facts.class === "validation" || code === "acme.ownCsr") return null;
  if (facts.retry === "never") return `no retry would help (${code})`;
  const waitMs = Math.max(0, (retryAt ?? now) - now);
  // A timeout that says when to ask again is about an order the CA has taken on.
  if (code !== "acme.timeout" && waitMs > WAIT_MAX_MS) return `it has to be waited for ${formatDuration(waitMs)}`;
  if (!asksToWait(error)) return attempts >= FAILURES_MAX ? `${attempts} attempts failed (${code})` : null;
  // Our own budget knows when there is room; a CA that asks us to wait again and again does not.
  const altogetherMs = code === "acme.budget" ? 0 : waitedMs + waitMs;
  return altogetherMs > WAIT_MAX_MS
    ? `it has to be waited for again, ${formatDuration(altogetherMs)} altogether`
    : null;
}
