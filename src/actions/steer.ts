import { isRenewalId, type Renewal } from "../domain/renewal.ts";
import { redeploy } from "../renewal/operator/redeploy.ts";
import { heldRenewal, resumeRenewal } from "../renewal/operator/resume.ts";
import { resumeCertificate, retryNow } from "../renewal/operator/retry.ts";
import { rollBackRenewal } from "../renewal/operator/rollBack.ts";
import { type ActionContext, type ActionError, certificateNamed, type Decision, optionalReason } from "./context.ts";

/** `renewd deploy --json`, `renewd rollback --json`, and `renewd resume --json` of a held renewal. */
export interface RenewalActionReport {
  readonly version: 1;
  readonly certificate: string;
  readonly renewalId: string;
  readonly generation: number;
  /** With `--wait`: its state when waiting ended; else null. */
  readonly state: string | null;
  readonly error: ActionError | null;
}

/** `renewd resume --json` of a certificate without a held renewal. */
export interface ResumeReport {
  readonly version: 1;
  readonly certificate: string;
  /** The renewal in flight that makes its next attempt now; null: none is in flight. */
  readonly renewalId: string | null;
}

/** `renewd retry --json` of a certificate without a renewal in flight. */
export interface RetryReport {
  readonly version: 1;
  readonly certificate: string;
}

export interface DeployRequest {
  readonly certificate: string;
  /** Empty: all targets of the certificate. */
  readonly targets: readonly string[];
  /** null: the latest. */
  readonly generation: number | null;
}

/** Deploys a pair that exists once more; nothing is issued. */
export async function deploy(
  { renewal, estate }: ActionContext,
  request: DeployRequest,
  { by, reason }: Decision,
): Promise<RenewalActionReport> {
  certificateNamed(estate().certificates, request.certificate);
  return reportOf(await redeploy(renewal, { ...request, by, why: optionalReason(reason) }));
}

/** `of`: name of a certificate, or id of its renewal. */
export async function rollBack(
  { renewal, estate }: ActionContext,
  of: string,
  { by, reason }: Decision,
): Promise<RenewalActionReport> {
  assertKnown(estate, of);
  return reportOf(await rollBackRenewal(renewal, { of, why: optionalReason(reason), by }));
}

/** Tries again now, past any back-off, without issuing another certificate. */
export async function retry(
  { renewal, estate }: ActionContext,
  of: string,
  { by, reason }: Decision,
): Promise<RenewalActionReport | RetryReport> {
  assertKnown(estate, of);
  const found = await retryNow(renewal, { of, why: optionalReason(reason), by });
  return found === null ? { version: 1, certificate: of } : reportOf(found);
}

/** In the same words as for every command that takes a name; an id is looked up. */
function assertKnown(estate: ActionContext["estate"], of: string): void {
  if (!isRenewalId(of)) certificateNamed(estate().certificates, of);
}

/** A held renewal tries its failed wave again; without one, a pause or quarantine ends. */
export async function resume(
  { renewal, estate }: ActionContext,
  of: string,
  { by, reason }: Decision,
): Promise<RenewalActionReport | ResumeReport> {
  const decision = { of, why: optionalReason(reason), by };
  if ((await heldRenewal(renewal, of)) !== null) return reportOf(await resumeRenewal(renewal, decision));
  certificateNamed(estate().certificates, of);
  const hurried = await resumeCertificate(renewal, decision);
  return { version: 1, certificate: of, renewalId: hurried?.id ?? null };
}

/** Whether the answer is about a renewal that one can wait for. */
export function isRenewalAction(
  report: RenewalActionReport | ResumeReport | RetryReport,
): report is RenewalActionReport {
  return "generation" in report;
}

function reportOf({ certificate, id: renewalId, generation }: Renewal): RenewalActionReport {
  return { version: 1, certificate, renewalId, generation, state: null, error: null };
}
