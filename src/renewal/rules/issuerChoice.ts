import type { RenewalError } from "../../domain/errors.ts";
import { formatDuration, HOUR_MS } from "../../domain/time.ts";
import { asksToWait } from "./backoff.ts";

/** After this many failed attempts at one CA, the trouble counts as an outage. */
const FAILURES_MAX = 2;

/** If a CA asks for a longer wait than this, in one answer or in total, the next CA gets the order. */
export const WAIT_MAX_MS = HOUR_MS;

/** What happened at the present issuer so far. */
export interface IssuerAttempts {
  /** Failed attempts, this one included. */
  readonly attempts: number;
  /** How long the CA asked earlier attempts to wait, in total. */
  readonly waitedMs: number;
}

/**
 * Why to order from another CA; null: stay. A failed validation, or a mistake in the certificate's own signing request,
 * would fail at every CA.
 */
export function whySwitch(error: RenewalError, { attempts, waitedMs }: IssuerAttempts, now: number): string | null {
  const { code, facts, retryAt } = error;
  if (!code.startsWith("acme.") || facts.class === "validation" || code === "acme.ownCsr") return null;
  if (facts.retry === "never") return `no retry would help (${code})`;
  const waitMs = Math.max(0, (retryAt ?? now) - now);
  // A timeout that says when to ask again is about an order that the CA has accepted.
  if (code !== "acme.timeout" && waitMs > WAIT_MAX_MS) return `it has to be waited for ${formatDuration(waitMs)}`;
  if (!asksToWait(error, now)) return attempts >= FAILURES_MAX ? `${attempts} attempts failed (${code})` : null;
  // renewd's own budget knows when there is room; a CA that asks to wait again and again does not.
  const altogetherMs = code === "acme.budget" ? 0 : waitedMs + waitMs;
  return altogetherMs > WAIT_MAX_MS
    ? `it has to be waited for again, ${formatDuration(altogetherMs)} altogether`
    : null;
}
