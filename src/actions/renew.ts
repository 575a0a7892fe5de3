import type { RenewalError } from "../domain/errors.ts";
import {
  type ActionContext,
  type ActionError,
  actionError,
  certificateNamed,
  type Decision,
  optionalReason,
  type RenewalWish,
  type RequestOutcome,
} from "./context.ts";

/** `renewd renew --json`. */
export interface RenewReport {
  readonly version: 1;
  readonly renewals: readonly RenewEntry[];
}

export interface RenewEntry {
  readonly certificate: string;
  /** null: the request was refused or not taken. */
  readonly renewalId: string | null;
  /** `database`: Redis was unreachable; it starts when Redis is back. */
  readonly via: "queue" | "database" | null;
  /** It was in flight already, and makes its next attempt now. */
  readonly hurried: boolean;
  /** With `--wait`: its state when waiting ended; else null. */
  readonly state: string | null;
  readonly error: ActionError | null;
}

export interface RenewRequest {
  readonly certificates: readonly string[];
  /** Issue a new certificate even though nothing is due. */
  readonly force: boolean;
}

/** All or nothing is asked for: a typing error in the last name must not leave the first ones renewing. */
export async function renew(
  context: ActionContext,
  { certificates, force }: RenewRequest,
  { by, reason }: Decision,
  idOf?: RenewalWish["idOf"],
): Promise<RenewReport> {
  const names = [...new Set(certificates)];
  for (const name of names) certificateNamed(context.estate().certificates, name);
  const outcomes = await context.requestRenewals(names, {
    force,
    reason: optionalReason(reason),
    by,
    ...(idOf && { idOf }),
  });
  return { version: 1, renewals: outcomes.map(entryOf) };
}

function entryOf(outcome: RequestOutcome): RenewEntry {
  const { certificate } = outcome;
  if (outcome.kind === "refused") return refusedEntry(certificate, outcome.error);
  const { renewalId, via, hurried = false } = outcome;
  return { certificate, renewalId, via, hurried, state: null, error: null };
}

function refusedEntry(certificate: string, error: RenewalError): RenewEntry {
  return { certificate, renewalId: null, via: null, hurried: false, state: null, error: actionError(error) };
}
