import type { Certificate } from "../../domain/certificate.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { OrderProgress, OrderState } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { isReplacementPending } from "../rules/replacement.ts";
import { isInsideWindow } from "../rules/suggestion.ts";
import { assertNotOvertaken, type Lease } from "./lease.ts";
import { countFailedValidation, refundLimits, reserveLimits } from "./rateLimits.ts";

export function issuerOf(renewal: Renewal, certificate: Certificate): string {
  return renewal.issuer ?? certificate.issuer;
}

interface Ordering {
  readonly certificate: Certificate;
  /** The order's state as the claim found it. */
  readonly order: Promise<OrderState>;
  /** The newest version; throws when it is damaged. */
  readonly predecessor: () => Version | null;
  /** What the outcome has to tell the history first; filled here. */
  readonly noted: NewEvent[];
}

export function orderProgress(
  context: Context,
  renewal: Renewal,
  { certificate, order, predecessor, noted }: Ordering,
  lease: Lease,
): OrderProgress {
  const { store, clock, services } = context;
  const budget = services.budget(issuerOf(renewal, certificate));
  // Only the holder of the fence writes it: what was read or saved stays so, or every later write is refused.
  let known: OrderState | null = null;
  let claimed: Promise<OrderState> | null = order;
  return {
    async load() {
      known ??= await (claimed ?? store.renewals.orderState(renewal.id));
      return known;
    },
    async save(state, event) {
      const before = known;
      known = claimed = null;
      // What is known is recorded as long as nobody has taken over, also after the lease: who comes next needs the order.
      await store.transaction(async (tx) => {
        assertNotOvertaken(await tx.renewals.saveOrderState(renewal.id, renewal.fence, state));
        for (const earlier of noted) await tx.events.append(earlier);
        if (!event) return;
        await tx.events.append(renewalEvent(renewal, clock.now(), event.type, event.detail));
        if (event.type === "challenge.failed")
          await countFailedValidation(tx, budget, String(event.detail.identifier), clock.now());
      });
      noted.length = 0;
      known = before && { ...before, ...state };
      lease.assertHeld();
    },
    note: ({ type, detail }) => void noted.push(renewalEvent(renewal, clock.now(), type, detail)),
    async reserve({ exempt }) {
      lease.assertHeld();
      // Of a CA that limits nothing there is nothing to take.
      if (Object.keys(budget.limits).length === 0) return;
      const version = predecessor();
      // Let's Encrypt exempts an order that says what it replaces only inside the window it suggested itself.
      const inWindow =
        version !== null && isInsideWindow(version, await store.renewalInfos.get(certificate.name), clock.now());
      if (exempt && (renewal.reason === "renewalInfo" || inWindow)) return;
      const urgent = isReplacementPending(await store.replacements.of(certificate.name), version);
      await store.transaction(async (tx) => {
        assertNotOvertaken(await tx.renewals.saveOrderState(renewal.id, renewal.fence, {}));
        await reserveLimits(tx, { renewalId: renewal.id, certificate, budget, version, urgent }, clock.now());
      });
    },
    unreserve: () =>
      store.transaction(async (tx) => {
        // If another worker has the lease now, its reservation must stay.
        assertNotOvertaken(await tx.renewals.saveOrderState(renewal.id, renewal.fence, {}));
        await refundLimits(tx, renewal.id);
      }),
    async abandon(why) {
      known = claimed = null;
      await store.transaction(async (tx) => {
        // Locks the renewal before the ledger; its certificate signing request says whether anything is refunded.
        assertNotOvertaken(await tx.renewals.saveOrderState(renewal.id, renewal.fence, {}));
        await refundLimits(tx, renewal.id);
        await tx.renewals.saveOrderState(renewal.id, renewal.fence, { orderUrl: null, csr: null });
        await tx.events.append(renewalEvent(renewal, clock.now(), "order.abandoned", { why }));
      });
    },
  };
}
