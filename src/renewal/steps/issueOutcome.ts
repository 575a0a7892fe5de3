import type { Certificate } from "../../domain/certificate.ts";
import { endpointKey } from "../../domain/endpoint.ts";
import type { RenewalError } from "../../domain/errors.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { IssueResult } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import { formatInstant } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { errorDetail, renewalEvent } from "../history.ts";
import { asksToWait } from "../rules/backoff.ts";
import { deadEndpoints, proposal } from "../rules/deadNames.ts";
import { loadDeadNames } from "./deadNames.ts";
import { issuerOf } from "./orderProgress.ts";
import { commitLimits, refundLimits } from "./rateLimits.ts";
import { recordChanges, recordOutcome } from "./reconcile.ts";
import type { IssuerSwitch } from "./switchIssuer.ts";
import { wantGeneration } from "./wantGeneration.ts";

export type Outcome =
  | {
      readonly kind: "issued";
      readonly certificate: Certificate;
      readonly dropped: readonly string[];
      readonly result: IssueResult;
    }
  /** `attempts`: failed ones so far. `next`: when issuing is tried again; null: not in this renewal. */
  | {
      readonly kind: "failed";
      readonly error: RenewalError;
      readonly attempts: number;
      readonly turned: IssuerSwitch;
      readonly next: number | null;
    }
  /** Nothing failed: another order comes first, or an answer is not visible yet. The same order is resumed then. */
  | { readonly kind: "waits"; readonly why: string; readonly until: number }
  | { readonly kind: "notNeeded" | "interrupted" };

export function attemptsAfter({ attempts }: Renewal, error: RenewalError, now: number): number {
  return attempts + (asksToWait(error, now) ? 0 : 1);
}

export async function recordIssued(
  context: Context,
  renewal: Renewal,
  { certificate, dropped, result }: Extract<Outcome, { kind: "issued" }>,
  noted: readonly NewEvent[],
): Promise<void> {
  const now = context.clock.now();
  const { generation } = renewal;
  const { leaf, leafPem, chainPem, privateKey } = result;
  const { name, keyType } = certificate;
  const issuer = issuerOf(renewal, certificate);
  const { directory } = context.services.budget(issuer);
  const recorded = await recordChanges(context, async (tx) => {
    await tx.renewals.lock(renewal.id);
    // The pending key moves into the version in one transaction: there is never none and never two.
    if (!(await tx.renewals.saveOrderState(renewal.id, renewal.fence, { privateKey: null, orderUrl: null, csr: null })))
      return [];
    await tx.renewals.update(renewal.id, renewal.fence, {
      leaseUntil: null,
      openClaims: 0,
      retryAt: null,
      errorCode: null,
      errorMessage: null,
    });
    await commitLimits(tx, renewal.id, context.services.budget(issuer), certificate, now);
    await tx.versions.insert(
      {
        certificate: name,
        generation,
        issuer,
        directory: directory === "" ? null : directory,
        leaf,
        leafPem,
        chainPem,
        keyType,
        createdAt: now,
        verifiedAt: null,
        revokedAt: null,
        droppedNames: dropped,
      },
      privateKey,
    );
    await wantGeneration(tx, { certificate, generation, renewalId: renewal.id }, now);
    await tx.renewalInfos.watch(name, generation, now);
    if (renewal.reason === "renewalInfo") await tx.renewalInfos.update(name, generation, { orderedAt: now });
    for (const event of noted) await tx.events.append(event);
    const detail = { generation, serial: leaf.serial, notAfter: leaf.notAfter, issuer, issuedBy: leaf.issuerName };
    await tx.events.append(renewalEvent(renewal, now, "version.issued", detail));
    for (const endpoint of deadEndpoints(certificate, { leaf, droppedNames: dropped })) {
      const skipped = {
        endpoint: endpointKey(endpoint),
        generation,
        why: `${endpoint.sni} was left out of the certificate`,
      };
      await tx.events.append(renewalEvent(renewal, now, "verify.skipped", skipped));
    }
    // Where a deployer of this process has room it goes on with the pair.
    const facts = context.rooms?.deploy && { facts: await tx.renewals.deployFacts(renewal) };
    return [{ renewalId: renewal.id, ...facts }];
  });
  const of = { certificate: name, renewalId: renewal.id };
  if (recorded.length > 0)
    context.log.info(
      { ...of, generation, serial: leaf.serial, issuer, expires: formatInstant(leaf.notAfter) },
      "issued",
    );
  else context.log.warn(of, "late write refused: another worker has taken over");
}

export async function recordIssueFailed(
  context: Context,
  renewal: Renewal,
  { error, attempts, turned, next }: Extract<Outcome, { kind: "failed" }>,
  noted: readonly NewEvent[],
): Promise<void> {
  const { clock, log } = context;
  const now = clock.now();
  const dead =
    error.facts.class === "validation" ? proposal(await loadDeadNames(context.store, renewal.certificate)) : "";
  const message = dead === "" ? error.message : `${error.message} What would help: ${dead}.`;
  log.warn(
    { certificate: renewal.certificate, renewalId: renewal.id, code: error.code, err: error, retryAt: next },
    "issuing failed",
  );
  const recorded = await recordOutcome(context, renewal.id, async (tx) => {
    const moved = turned.to === null ? { attempts } : { attempts: 0, issuer: turned.to };
    const patch = {
      leaseUntil: null,
      openClaims: 0,
      ...moved,
      retryAt: next,
      errorCode: error.code,
      errorMessage: message,
    };
    if (!(await tx.renewals.update(renewal.id, renewal.fence, patch))) return false;
    for (const event of noted) await tx.events.append(event);
    await tx.events.append(
      renewalEvent(renewal, now, "issue.failed", {
        ...errorDetail(error),
        message,
        attempt: renewal.attempts + 1,
        retryAt: next,
      }),
    );
    for (const event of turned.events) await tx.events.append(event);
    if (turned.to === null) return true;
    await refundLimits(tx, renewal.id);
    await tx.renewals.saveOrderState(renewal.id, renewal.fence, { orderUrl: null, csr: null });
    return true;
  });
  if (!recorded)
    log.warn(
      { certificate: renewal.certificate, renewalId: renewal.id },
      "late write refused: another worker has taken over",
    );
}
