import { RenewalError } from "../../domain/errors.ts";
import type { Store } from "../../domain/store.ts";

interface Pause {
  readonly certificate: string;
  readonly reason: string;
  /** ms since epoch; null: until resumed. */
  readonly until: number | null;
  /** `user@host`; null: unknown, or renewd itself. */
  readonly by?: string | null;
}

/**
 * Plans no new renewal until resumed. A renewal in flight goes on, and an expired certificate is renewed all the same.
 */
export async function pause(
  store: Store,
  { certificate, reason, until, by = null }: Pause,
  now: number,
): Promise<void> {
  await store.transaction(async (tx) => {
    await assertKnown(tx, certificate);
    await tx.certificates.update(certificate, { pausedAt: now, pausedUntil: until, pausedReason: reason });
    await tx.events.append({
      at: now,
      type: "certificate.paused",
      certificate,
      renewalId: null,
      target: null,
      detail: { reason, until, by },
    });
  });
}

/** Ends a pause or quarantine and clears the back-off: the person who resumes has fixed the cause. */
export async function resume(
  store: Store,
  certificate: string,
  now: number,
  { by = null, why = null }: { readonly by?: string | null; readonly why?: string | null } = {},
): Promise<void> {
  await store.transaction(async (tx) => {
    await assertKnown(tx, certificate);
    await tx.certificates.update(certificate, {
      pausedAt: null,
      pausedUntil: null,
      pausedReason: null,
      failures: 0,
      nextAttemptAt: null,
      nextCheckAt: now,
    });
    await tx.events.append({
      at: now,
      type: "certificate.resumed",
      certificate,
      renewalId: null,
      target: null,
      detail: { by, ...(why !== null && { why }) },
    });
  });
}

async function assertKnown(store: Store, certificate: string): Promise<void> {
  if ((await store.certificates.get(certificate)) === null) {
    throw new RenewalError(
      "request.invalid",
      `certificate: "${certificate.slice(0, 80)}" is not known; see \`renewd certificates\``,
    );
  }
}
