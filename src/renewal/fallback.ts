import type { Certificate } from "../domain/certificate.ts";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import type { EventType, NewEvent } from "../domain/event.ts";
import type { Eligibility } from "../domain/issuer.ts";
import type { Renewal } from "../domain/renewal.ts";
import { incompatibilities } from "./compatibility.ts";
import type { Context } from "./context.ts";
import { formatDuration } from "./duration.ts";
import { renewalEvent } from "./history.ts";

/** Failed attempts at one CA after which a passing trouble is taken for an outage. */
const FAILURES_MAX = 2;
/** A CA that wants us to wait longer is passed over. */
export const WAIT_MAX_MS = 3_600_000;
const LOOK_TIMEOUT_MS = 30_000;

/**
 * Why to turn to another CA, or null. What is wrong with the names themselves (validation) or with a request of one's own is wrong for every CA.
 * `attempts`: failed ones at the present issuer, this one included.
 */
export function whyTurn({ code, facts, retryAt }: RenewalError, attempts: number, now: number): string | null {
  if (!code.startsWith("acme.") || facts.class === "validation" || code === "acme.ownCsr") return null;
  if (facts.class === "rateLimited") {
    const waitMs = (retryAt ?? now) - now;
    return waitMs > WAIT_MAX_MS ? `it has to be waited for ${formatDuration(waitMs)}` : null;
  }
  if (facts.retry === "never") return `no retry would help (${code})`;
  return attempts >= FAILURES_MAX ? `${attempts} attempts failed (${code})` : null;
}

export interface Turn {
  /** null: there is none that could do it. */
  readonly to: string | null;
  readonly events: readonly NewEvent[];
}

/** The first issuer after the present one that nothing speaks against. An order is opened there by the next attempt. */
export async function turn(context: Context, renewal: Renewal, certificate: Certificate, why: string, signal: AbortSignal): Promise<Turn> {
  const all = [certificate.issuer, ...certificate.fallbacks];
  const from = renewal.issuer ?? certificate.issuer;
  const events: NewEvent[] = [];
  const add = (type: EventType, detail: NewEvent["detail"]): number => events.push(renewalEvent(renewal, context.clock.now(), type, { from, ...detail }));
  for (const to of all.slice(all.indexOf(from) + 1)) {
    const { obstacle, notes } = await look(context, to, certificate, signal);
    if (obstacle === null) {
      add("issue.fallback", { to, why, notes });
      return { to, events };
    }
    add("issue.fallbackRefused", { to, why: obstacle });
  }
  return { to: null, events };
}

async function look({ estate, store }: Context, issuer: string, certificate: Certificate, signal: AbortSignal): Promise<Eligibility> {
  const { name, identifiers, keyType, profile } = certificate;
  try {
    // How long that CA's certificates live is known only if it has issued one before.
    const earlier = (await store.versions.list(name)).findLast((version) => version.issuer === issuer) ?? null;
    const [refused] = incompatibilities(certificate, earlier, (target) => estate.limits(target));
    if (refused !== undefined) return { obstacle: refused, notes: [] };
    const request = { certificate: name, identifiers, keyType, profile };
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
    return (await estate.issuer(issuer).eligibility?.(request, bounded)) ?? { obstacle: null, notes: [] };
  } catch (thrown) {
    signal.throwIfAborted();
    return { obstacle: toRenewalError(thrown).message, notes: [] };
  }
}
