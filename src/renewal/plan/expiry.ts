import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { Store } from "../../domain/store.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { decide } from "../rules/decide.ts";
import { isWatchedOnly, OF_OTHERS, servedInUse } from "../rules/served.ts";
import { loadPlanFacts } from "./plan.ts";
import { askPlanner, attemptWrite } from "./unplannable.ts";

const BATCH = 100;
/** A certificate that cannot be judged must not stay at the head of the list. */
const RETRY_MS = 10 * MINUTE_MS;

/**
 * Warns people before a certificate expires, and again when it does, for any reason that kept it from being replaced: a
 * pause, a budget, a CA that says "later", a hold, a bug in renewd. Reads only certificates whose warning is due.
 * Returns how many warnings it recorded.
 */
export async function warnOfExpiry(context: Context, signal: AbortSignal): Promise<number> {
  await context.clockGuard.check(signal);
  let warned = 0;
  for (const record of await context.store.certificates.expiring(context.clock.now(), BATCH)) {
    signal.throwIfAborted();
    if (await attemptWarning(context, record)) warned += 1;
  }
  return warned;
}

/** One certificate that cannot be judged must not keep the others from being warned of. The planner records why. */
async function attemptWarning(context: Context, record: CertificateRecord): Promise<boolean> {
  try {
    return await warn(context, record);
  } catch (thrown) {
    const { clock, log } = context;
    const { name, expiryWarningAt: seen } = record;
    log.error({ certificate: name, err: toRenewalError(thrown) }, "expiry not judged; it is tried again");
    await attemptWrite(context, name, async (tx) => {
      await tx.certificates.moveExpiryWarning(name, seen, clock.now() + RETRY_MS);
      await askPlanner(tx, name, clock.now());
    });
    return false;
  }
}

async function warn(context: Context, record: CertificateRecord): Promise<boolean> {
  const { store, clock, services } = context;
  const { name, expiryWarningAt: seen } = record;
  const certificate = services.certificate(name);
  // This planner has yet to be reloaded: another one warns.
  if (certificate === null && record.removedAt === null) return false;
  // Throws when the latest cannot be read: an older one in the list must not be warned of instead.
  await store.versions.latest(name);
  const inUse = await inUseOf(store, name, certificate);
  const now = clock.now();
  const expired = inUse !== null && inUse.leaf.notAfter <= now;
  const warned = certificate !== null && inUse !== null ? { certificate, inUse } : null;
  const why =
    warned &&
    whyNot(decide(await loadPlanFacts(context, warned.certificate, record), now), await store.renewals.active(name));
  return store.transaction(async (tx) => {
    // One of several planners warns; a renewal that was proved meanwhile has set another instant.
    if (
      !(await tx.certificates.moveExpiryWarning(
        name,
        seen,
        expired || warned === null ? null : warned.inUse.leaf.notAfter,
      ))
    )
      return false;
    if (warned === null) return false;
    const { generation, leaf } = warned.inUse;
    const detail = { generation, expiresAt: leaf.notAfter, expired, why };
    await tx.events.append({
      at: now,
      type: "certificate.expiring",
      certificate: name,
      renewalId: null,
      target: null,
      detail,
    });
    return true;
  });
}

type InUse = Pick<Version, "generation"> & { readonly leaf: Pick<Version["leaf"], "notAfter"> };

/** An imported pair is in use before a handshake has proved it, and what others renew is what was seen last. */
async function inUseOf(store: Store, name: string, certificate: Certificate | null): Promise<InUse | null> {
  const versions = await store.versions.list(name);
  const known = versions.findLast(({ verifiedAt, issuer }) => verifiedAt !== null || issuer === IMPORTED);
  if (known !== undefined) return known;
  if (certificate === null || !isWatchedOnly(certificate, versions.at(-1) ?? null)) return null;
  const seen = await store.observations.observations(name);
  const leaf = servedInUse(seen.map(({ observation }) => observation));
  return leaf && { generation: OF_OTHERS, leaf };
}

function whyNot(decision: ReturnType<typeof decide>, active: { readonly errorMessage: string | null } | null): string {
  const error = active?.errorMessage ?? null;
  return error === null ? decision.detail : `${decision.detail}: ${error}`;
}
