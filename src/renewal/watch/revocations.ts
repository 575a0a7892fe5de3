import { toRenewalError } from "../../domain/errors.ts";
import { latestVersions } from "../../domain/latestVersions.ts";
import type { Revocation, RevocationLists } from "../../domain/revocation.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { LADDERS_MS } from "../rules/backoff.ts";
import { wakePlanner } from "../steps/hold.ts";

const FORGET_MS = 30 * DAY_MS;
/** Lists fetched by one run; the others are due at the next run. */
const LISTS_MAX = 200;

/**
 * Checks the CAs' revocation lists for certificates in use. Each list is fetched at most once a day, however many
 * certificates name it. A CA with renewalInfo moves the certificate's window, which is noticed sooner. For other CAs,
 * and for imported certificates, this finds a revocation before clients do. Returns how many were found revoked.
 */
export async function checkRevocations(context: Context, lists: RevocationLists, signal: AbortSignal): Promise<number> {
  const { store, clock, log } = context;
  await context.clockGuard.check(signal);
  const namesByUrl = new Map<string, string[]>();
  for await (const [version, url] of covered(context, lists)) {
    const names = namesByUrl.get(url) ?? [];
    names.push(version.certificate);
    namesByUrl.set(url, names);
  }
  let found = 0;
  let fetched = 0;
  for (const [url, names] of namesByUrl) {
    signal.throwIfAborted();
    if (fetched >= LISTS_MAX) break;
    if (!(await store.crls.claim(url, { now: clock.now(), nextAt: clock.now() + DAY_MS }))) continue;
    fetched += 1;
    const versions: Version[] = [];
    try {
      for await (const [version, each] of covered(context, lists, names)) if (each === url) versions.push(version);
      for (const [version, revocation] of await lists.fetch(url, versions, signal))
        if (await recordRevocation(context, version, revocation, url)) found += 1;
    } catch (thrown) {
      signal.throwIfAborted();
      const { code, message } = toRenewalError(thrown);
      log.warn({ code, reason: message, certificates: names.length }, "revocation list not read");
      await store.crls.postpone(url, clock.now() + LADDERS_MS.revocationList[0]);
    }
  }
  await store.crls.forget(clock.now() - FORGET_MS);
  return found;
}

/** Versions that a list may revoke, with its URL; of these certificates, by default of all. */
async function* covered(
  context: Context,
  lists: RevocationLists,
  names?: readonly string[],
): AsyncGenerator<readonly [Version, string]> {
  const { store, clock, services } = context;
  for await (const version of latestVersions(store, undefined, names)) {
    if (
      version.revokedAt !== null ||
      version.leaf.notAfter <= clock.now() ||
      services.certificate(version.certificate) === null
    )
      continue;
    for (const url of urlsOf(context, lists, version)) yield [version, url];
  }
}

/** A certificate that cannot be read must not stop the check of the others. */
function urlsOf({ log }: Context, lists: RevocationLists, version: Version): readonly string[] {
  try {
    return lists.urlsOf(version);
  } catch (thrown) {
    log.warn({ certificate: version.certificate, err: toRenewalError(thrown) }, "its revocation lists cannot be read");
    return [];
  }
}

async function recordRevocation(
  { store, clock }: Context,
  version: Version,
  { at, reason }: Revocation,
  source: string,
): Promise<boolean> {
  const now = clock.now();
  const { certificate, generation, leaf } = version;
  return store.transaction(async (tx) => {
    await tx.certificates.lock([certificate]);
    const latest = await tx.versions.latest(certificate);
    if (latest?.generation !== generation || latest.revokedAt !== null) return false;
    await tx.versions.markRevoked(certificate, generation, Math.min(at, now));
    await wakePlanner(tx, certificate, now);
    const detail = { generation, serial: leaf.serial, reason, source };
    await tx.events.append({ at: now, type: "version.revoked", certificate, renewalId: null, target: null, detail });
    return true;
  });
}
