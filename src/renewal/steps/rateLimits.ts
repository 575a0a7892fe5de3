import type { CaBudget } from "../../domain/budget.ts";
import type { Certificate } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import {
  byKey,
  chargesOf,
  failureCharges,
  isRefundable,
  isRenewal,
  isUrgent,
  keyOf,
  refund,
  shortage,
  spend,
  tokenMs,
  wakeAt,
} from "../rules/budget.ts";

/** An order that is about to be opened. */
export interface OrderReservation {
  readonly renewalId: string;
  readonly certificate: Certificate;
  readonly budget: CaBudget;
  /** The latest version; null: none yet. */
  readonly version: Version | null;
  /** Part of a replacement, which may use the part of the budget that routine work leaves. */
  readonly urgent?: boolean;
}

/**
 * Takes what the order draws on its CA's limits, or throws `acme.budget` and takes nothing. Part of the caller's
 * transaction.
 */
export async function reserveLimits(
  tx: Store,
  { renewalId, certificate, budget, version, urgent = false }: OrderReservation,
  now: number,
): Promise<void> {
  const charges = chargesOf(budget, { ...certificate, renewal: isRenewal(certificate, version, budget) });
  if (charges.length === 0) return;
  await tx.ledger.lock();
  const buckets = byKey(await tx.ledger.read(charges));
  const held = new Set((await tx.ledger.reserved(renewalId)).map(keyOf));
  // After a crash between reserving and newOrder the certificate is already reserved; the order may have been opened.
  const open = charges.filter((each) => !held.has(keyOf(each)));
  const short = shortage(open, buckets, urgent || isUrgent(certificate, version, now), now);
  if (short !== null)
    throw new RenewalError("acme.budget", `issuer "${budget.issuer}": ${short.detail}`, {
      retryAt: wakeAt(short.until, certificate, version, now),
    });
  const spent = open.filter(({ spends }) => spends);
  await tx.ledger.write(spend(spent, buckets, now));
  await tx.ledger.reserve(
    renewalId,
    spent.filter(isRefundable).map(({ limit, ...key }) => ({ ...key, tokenMs: tokenMs(limit) })),
  );
}

/** The renewal's order will give no certificate: its reservation is refunded. Part of the caller's transaction. */
export async function refundLimits(tx: Store, renewalId: string): Promise<void> {
  const taken = await tx.ledger.reserved(renewalId);
  if (taken.length === 0) return;
  // Once the request was sent, the CA may have issued and counted, whether or not the answer reached us.
  if ((await tx.renewals.orderState(renewalId)).csr === null) {
    await tx.ledger.lock();
    await tx.ledger.write(refund(taken, byKey(await tx.ledger.read(taken))));
  }
  await tx.ledger.release(renewalId);
}

/** A validation failed: it counts even if the order succeeds later. Part of the caller's transaction. */
export async function countFailedValidation(
  tx: Store,
  budget: CaBudget,
  identifier: string,
  now: number,
): Promise<void> {
  const charges = failureCharges(budget, [identifier]);
  if (charges.length === 0) return;
  await tx.ledger.lock();
  await tx.ledger.write(spend(charges, byKey(await tx.ledger.read(charges)), now));
}

/** The certificate was issued: its reservation becomes final, and its names have no failures in a row any more. */
export async function commitLimits(
  tx: Store,
  renewalId: string,
  budget: CaBudget,
  certificate: Certificate,
  now: number,
): Promise<void> {
  await tx.ledger.release(renewalId);
  const names = certificate.identifiers.map(({ value }) => value);
  if (budget.limits.consecutiveFailuresPerIdentifier === undefined) return;
  const rows = failureCharges(budget, names).filter(({ kind }) => kind === "consecutiveFailuresPerIdentifier");
  await tx.ledger.lock();
  const known = byKey(await tx.ledger.read(rows));
  const over = rows.filter((row) => known.has(keyOf(row)));
  if (over.length > 0) await tx.ledger.write(over.map(({ scope, kind, key }) => ({ scope, kind, key, fullAt: now })));
}
