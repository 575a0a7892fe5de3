import type { Certificate } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { EventType, NewEvent } from "../../domain/event.ts";
import type { Eligibility } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { incompatibilities } from "../rules/compatibility.ts";

const LOOK_TIMEOUT_MS = 30_000;
const EVENTS_MAX = 500;

/** How long the renewal's present issuer has made it wait so far. */
export async function waitedMs(store: Store, { id }: Renewal): Promise<number> {
  const events = await store.events.list({
    renewalId: id,
    types: ["issue.failed", "issue.fallback"],
    limit: EVENTS_MAX,
  });
  const here = events.slice(events.findLastIndex(({ type }) => type === "issue.fallback") + 1);
  const waits = here.map(({ at, detail: { code, retryAt } }) =>
    code === "acme.rateLimited" && typeof retryAt === "number" ? retryAt - at : 0,
  );
  return waits.reduce((sum, wait) => sum + wait, 0);
}

export interface IssuerSwitch {
  /** null: there is none that could do it. */
  readonly to: string | null;
  readonly events: readonly NewEvent[];
}

/** The first issuer after the present one without an obstacle. The next attempt opens an order there. */
export async function switchIssuer(
  context: Context,
  renewal: Renewal,
  certificate: Certificate,
  why: string,
  signal: AbortSignal,
): Promise<IssuerSwitch> {
  const all = [certificate.issuer, ...certificate.fallbacks];
  const from = renewal.issuer ?? certificate.issuer;
  const events: NewEvent[] = [];
  const add = (type: EventType, detail: NewEvent["detail"]): number =>
    events.push(renewalEvent(renewal, context.clock.now(), type, { from, ...detail }));
  for (const to of all.slice(all.indexOf(from) + 1)) {
    const { obstacle, notes } = await obstaclesAt(context, to, certificate, signal);
    if (obstacle === null) {
      add("issue.fallback", { to, why, notes });
      return { to, events };
    }
    add("issue.fallbackRefused", { to, why: obstacle });
  }
  return { to: null, events };
}

async function obstaclesAt(
  { services, store }: Context,
  issuer: string,
  certificate: Certificate,
  signal: AbortSignal,
): Promise<Eligibility> {
  const { name, identifiers, keyType, profile } = certificate;
  try {
    // How long that CA's certificates live is known only if it has issued one before.
    const earlier = (await store.versions.list(name)).findLast((version) => version.issuer === issuer) ?? null;
    const [refused] = incompatibilities(certificate, earlier, (target) => services.limits(target));
    if (refused !== undefined) return { obstacle: refused, notes: [] };
    const request = { certificate: name, identifiers, keyType, profile };
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
    return (
      (await services.issuer(issuer).eligibility?.(request, services.solvers(certificate), bounded)) ?? {
        obstacle: null,
        notes: [],
      }
    );
  } catch (thrown) {
    signal.throwIfAborted();
    return { obstacle: toRenewalError(thrown).message, notes: [] };
  }
}
