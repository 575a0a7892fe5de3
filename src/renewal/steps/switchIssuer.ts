import type { Certificate } from "../../domain/certificate.ts";
import { type RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { EventType, NewEvent } from "../../domain/event.ts";
import type { Eligibility } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { formatDuration } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { isToldToWait } from "../rules/backoff.ts";
import { incompatibilities } from "../rules/compatibility.ts";

/** Failed attempts at one CA after which a passing trouble is taken for an outage. */
const FAILURES_MAX = 2;
/** A CA that wants us to wait longer, at once or altogether, is passed over. */
export const WAIT_MAX_MS = 3_600_000;
const LOOK_TIMEOUT_MS = 30_000;
const EVENTS_MAX = 500;

/** What the present issuer has cost so far. */
export interface Patience {
  /** Failed attempts, this one included. */
  readonly attempts: number;
  /** How long earlier attempts were told to wait. */
  readonly waitedMs: number;
}

/** Why to turn to another CA, or null. What is wrong with the names themselves (validation) or with a request of one's own is wrong for every CA. */
export function whyTurn(error: RenewalError, { attempts, waitedMs }: Patience, now: number): string | null {
  const { code, facts, retryAt } = error;
  if (!code.startsWith("acme.") || facts.class === "validation" || code === "acme.ownCsr") return null;
  if (facts.retry === "never") return `no retry would help (${code})`;
  const waitMs = Math.max(0, (retryAt ?? now) - now);
  // A timeout that says when to ask again is about an order the CA has taken on.
  if (code !== "acme.timeout" && waitMs > WAIT_MAX_MS) return `it has to be waited for ${formatDuration(waitMs)}`;
  if (!isToldToWait(error)) return attempts >= FAILURES_MAX ? `${attempts} attempts failed (${code})` : null;
  // Our own budget knows when there is room; a CA that puts us off again and again does not.
  const altogetherMs = code === "acme.budget" ? 0 : waitedMs + waitMs;
  return altogetherMs > WAIT_MAX_MS ? `it has to be waited for again, ${formatDuration(altogetherMs)} altogether` : null;
}

/** How long the renewal's present issuer has told it to wait so far. */
export async function waitedMs(store: Store, { id }: Renewal): Promise<number> {
  const events = await store.events.list({ renewalId: id, types: ["issue.failed", "issue.fallback"], limit: EVENTS_MAX });
  const here = events.slice(events.findLastIndex(({ type }) => type === "issue.fallback") + 1);
  const waits = here.map(({ at, detail: { code, retryAt } }) => (code === "acme.rateLimited" && typeof retryAt === "number" ? retryAt - at : 0));
  return waits.reduce((sum, wait) => sum + wait, 0);
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
    return (await estate.issuer(issuer).eligibility?.(request, estate.solver(certificate.solver), bounded)) ?? { obstacle: null, notes: [] };
  } catch (thrown) {
    signal.throwIfAborted();
    return { obstacle: toRenewalError(thrown).message, notes: [] };
  }
}
