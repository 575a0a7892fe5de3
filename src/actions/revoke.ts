import type { RevocationReason } from "../domain/issuer.ts";
import * as operator from "../renewal/operator/revoke.ts";
import { type ActionContext, type ActionError, actionError, type Decision, optionalReason } from "./context.ts";

/** `renewd revoke --json`. */
export interface RevokeReport {
  readonly version: 1;
  readonly certificate: string;
  readonly generation: number;
  readonly serial: string;
  readonly reason: RevocationReason;
  /** The renewal that replaces it; null: a later generation is there already, or it left the configuration. */
  readonly renewalId: string | null;
  /** Why it is not replaced although it should be; null: it is, or need not be. */
  readonly error: ActionError | null;
}

export interface RevokeRequest {
  /** A certificate, of which the latest generation is meant, or the serial of any generation. */
  readonly of: string;
  /** What the CA is told (RFC 5280 §5.3.1). */
  readonly reason: RevocationReason;
}

const TIMEOUT_MS = 60_000;

/** What would be revoked. Throws `request.invalid`. */
export async function revocationDraft(
  { renewal }: ActionContext,
  of: string,
): Promise<Pick<RevokeReport, "certificate" | "generation" | "serial">> {
  const { certificate, generation, leaf } = await operator.versionToRevoke(renewal, of);
  return { certificate, generation, serial: leaf.serial };
}

/** Revokes at the CA and asks for a replacement at once. */
export async function revoke(
  context: ActionContext,
  { of, reason }: RevokeRequest,
  decision: Decision,
): Promise<RevokeReport> {
  const { renewal } = context;
  const { by } = decision;
  const version = await operator.versionToRevoke(renewal, of);
  const { certificate, generation, leaf } = version;
  const why = optionalReason(decision.reason);
  await operator.revoke(renewal, { version, reason, why, requestedBy: by }, AbortSignal.timeout(TIMEOUT_MS));
  const latest = await renewal.store.versions.latest(certificate);
  const isReplaceable = renewal.services.certificate(certificate) !== null && latest?.generation === generation;
  const [asked] = isReplaceable
    ? await context.requestRenewals([certificate], { force: false, reason: `revoked: ${reason}`, by })
    : [];
  return {
    version: 1,
    certificate,
    generation,
    serial: leaf.serial,
    reason,
    renewalId: asked?.kind === "started" ? asked.renewalId : null,
    error: asked?.kind === "refused" ? actionError(asked.error) : null,
  };
}
