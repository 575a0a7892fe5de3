import { RenewalError } from "../../domain/errors.ts";
import type { RevocationReason } from "../../domain/issuer.ts";
import { canonicalSerial, IMPORTED, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { wakePlanner } from "../steps/hold.ts";

export interface Revocation {
  readonly version: Version;
  readonly reason: RevocationReason;
  /** In a person's words, for the history; null: none were given. */
  readonly why?: string | null;
  readonly requestedBy: string | null;
}

/** The version of that serial, or the latest of the certificate of that name. Throws `request.invalid`. */
export async function versionToRevoke({ store }: Pick<Context, "store">, nameOrSerial: string): Promise<Version> {
  const serial = canonicalSerial(nameOrSerial);
  const found =
    (await store.versions.latest(nameOrSerial)) ??
    (/^[0-9A-F]+$/.test(serial) ? await store.versions.bySerial(serial) : null);
  if (found === null)
    throw new RenewalError(
      "request.invalid",
      `"${nameOrSerial.slice(0, 80)}" is neither a certificate with a version nor a serial that renewd has issued`,
    );
  return found;
}

/**
 * Revokes at the CA, then records it; the planner then replaces the certificate for the reason `revoked`. Repeating is
 * harmless, so a crash in between loses nothing: a CA that answers "already revoked" has done what was asked.
 */
export async function revoke(
  { store, services, clock }: Pick<Context, "store" | "services" | "clock">,
  revocation: Revocation,
  signal: AbortSignal,
): Promise<void> {
  const { version, reason, why = null, requestedBy } = revocation;
  const { certificate, generation, leaf, leafPem } = version;
  const issuer = version.issuer === IMPORTED ? services.certificate(certificate)?.issuer : version.issuer;
  if (issuer === undefined)
    throw new RenewalError(
      "request.invalid",
      `certificate: "${certificate}" is not configured, so its CA is not known`,
    );
  const client = services.issuer(issuer);
  if (client.revoke === undefined) throw new RenewalError("request.invalid", `issuer "${issuer}" cannot revoke`);
  const privateKey = await store.versions.privateKey(certificate, generation);
  const key = await client.revoke({ leafPem, privateKey, reason }, signal);
  const now = clock.now();
  await store.transaction(async (tx) => {
    await tx.certificates.lock([certificate]);
    await tx.versions.markRevoked(certificate, generation, now);
    await wakePlanner(tx, certificate, now);
    const detail = { generation, serial: leaf.serial, reason, key, issuer, requestedBy, ...(why !== null && { why }) };
    await tx.events.append({ at: now, type: "version.revoked", certificate, renewalId: null, target: null, detail });
  });
}
