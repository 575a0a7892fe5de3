import type { Certificate } from "../../domain/certificate.ts";
import { endpointKey } from "../../domain/endpoint.ts";
import { type RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { IssueResult, OrderProgress } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Context } from "../context.ts";
import { errorDetail, renewalEvent } from "../history.ts";
import { advance } from "../rules/advance.ts";
import { asksToWait, retryAt } from "../rules/backoff.ts";
import { deadEndpoints, namesToOrder, proposal } from "../rules/deadNames.ts";
import { whySwitch } from "../rules/issuerChoice.ts";
import { orderScope } from "../rules/order.ts";
import { isReplacementPending } from "../rules/replacement.ts";
import { isInsideWindow } from "../rules/suggestion.ts";
import { loadDeadNames } from "./deadNames.ts";
import { assertNotOvertaken, isInterruption, type Lease, withLease } from "./lease.ts";
import { orderRequest } from "./orderRequest.ts";
import { commitLimits, countFailedValidation, refundLimits, reserveLimits } from "./rateLimits.ts";
import { loadFacts, reconcile, recordOutcome } from "./reconcile.ts";
import { type IssuerSwitch, switchIssuer, waitedMs } from "./switchIssuer.ts";

const CLEAR_TIMEOUT_MS = 15_000;

type Outcome =
  | {
      readonly kind: "issued";
      readonly certificate: Certificate;
      readonly dropped: readonly string[];
      readonly result: IssueResult;
    }
  /** `next`: when issuing is tried again; null: not in this renewal. */
  | {
      readonly kind: "failed";
      readonly error: RenewalError;
      readonly turned: IssuerSwitch;
      readonly next: number | null;
    }
  /** Another renewal has an order for the same names in flight. */
  | { readonly kind: "waits"; readonly for: string }
  | { readonly kind: "notNeeded" | "interrupted" };

/** Brings a renewal its new version. Any number of workers may be told to; the one that claims it does it. */
export async function issue(context: Context, renewalId: string, signal: AbortSignal): Promise<void> {
  const { store, clock, settings } = context;
  await context.clockGuard.check(signal);
  const claimedAt = clock.monotonic();
  const renewal = await store.renewals.claim(renewalId, clock.now(), settings.leaseMs);
  if (renewal === null) return;
  const extend = (leaseUntil: number): Promise<boolean> =>
    store.renewals.update(renewal.id, renewal.fence, { leaseUntil, nextActionAt: leaseUntil });
  const outcome = await withLease(context, { claimedAt, extend }, signal, (lease) =>
    attemptIssue(context, renewal, lease),
  );
  switch (outcome.kind) {
    case "issued":
      return recordIssued(context, renewal, outcome);
    case "failed":
      return recordIssueFailed(context, renewal, outcome);
    case "waits":
      return waitForOtherOrder(context, renewal, outcome.for);
    default:
      return releaseClaim(context, renewal);
  }
}

async function attemptIssue(context: Context, renewal: Renewal, lease: Lease): Promise<Outcome> {
  const { store, clock, services, settings } = context;
  const configured = await certificateStillToIssue(context, renewal);
  if (configured === null) return { kind: "notNeeded" };
  const { kept, dropped } = namesToOrder(
    configured,
    configured.dropDeadNames ? await loadDeadNames(store, configured.name) : [],
  );
  const certificate = { ...configured, identifiers: kept };
  const issuer = issuerOf(renewal, certificate);
  const progress = orderProgress(context, renewal, certificate, lease);
  try {
    const busy = await store.transaction(async (tx) => {
      const other = await tx.renewals.occupy(orderScope(issuer, certificate.identifiers), renewal.id, clock.now());
      if (other !== null) return other;
      assertNotOvertaken(await tx.renewals.update(renewal.id, renewal.fence, { state: "issuing" }));
      await tx.events.append(
        renewalEvent(renewal, clock.now(), "issue.started", { attempt: renewal.attempts + 1, issuer }),
      );
      if (dropped.length > 0)
        await tx.events.append(renewalEvent(renewal, clock.now(), "issue.namesDropped", { names: dropped }));
      return null;
    });
    if (busy !== null) return { kind: "waits", for: busy };
    const solver = services.solver(certificate.solver);
    const request = await orderRequest(context, renewal, certificate, issuer);
    const result = await services.issuer(issuer).issue(request, progress, solver, lease.signal);
    return { kind: "issued", certificate, dropped, result };
  } catch (thrown) {
    const error = toRenewalError(thrown);
    const turned = isInterruption(thrown, lease) ? null : await switchFrom(context, renewal, certificate, error, lease);
    if (turned !== null) {
      const now = clock.now();
      const next =
        turned.to !== null
          ? now
          : retryAt(error, attemptsAfter(renewal, error), settings.issueAttemptsMax, settings, now);
      if (turned.to !== null || next === null) await giveUpOrder(context, renewal, certificate, progress, lease);
      return { kind: "failed", error, turned, next };
    }
    context.log.info(
      { certificate: renewal.certificate, renewalId: renewal.id, reason: error.message },
      "issuing interrupted; the same order is resumed",
    );
    return { kind: "interrupted" };
  }
}

/** Asking other CAs takes time, so it is done while the lease is held. Null: interrupted. */
async function switchFrom(
  context: Context,
  renewal: Renewal,
  certificate: Certificate,
  error: RenewalError,
  lease: Lease,
): Promise<IssuerSwitch | null> {
  const patience = { attempts: attemptsAfter(renewal, error), waitedMs: await waitedMs(context.store, renewal) };
  const why = whySwitch(error, patience, context.clock.now());
  if (why === null) return { to: null, events: [] };
  try {
    return await switchIssuer(context, renewal, certificate, why, lease.signal);
  } catch (thrown) {
    if (isInterruption(thrown, lease)) return null;
    throw thrown;
  }
}

/** Answers that were left for the CA to read would stand for ever. Best effort: nothing may keep the outcome from being recorded. */
async function giveUpOrder(
  { services, log }: Context,
  renewal: Renewal,
  certificate: Certificate,
  progress: OrderProgress,
  lease: Lease,
): Promise<void> {
  const bounded = AbortSignal.any([lease.signal, AbortSignal.timeout(CLEAR_TIMEOUT_MS)]);
  try {
    await services
      .issuer(issuerOf(renewal, certificate))
      .clearAnswers?.(progress, services.solver(certificate.solver), bounded);
  } catch (thrown) {
    log.warn(
      { certificate: renewal.certificate, renewalId: renewal.id, err: toRenewalError(thrown) },
      "challenge answers of an order given up may be left standing",
    );
  }
}

function attemptsAfter({ attempts }: Renewal, error: RenewalError): number {
  return attempts + (asksToWait(error) ? 0 : 1);
}

function issuerOf(renewal: Renewal, certificate: Certificate): string {
  return renewal.issuer ?? certificate.issuer;
}

/** After waiting for the job and the claim, ask again: the work may be done, cancelled or not due. */
async function certificateStillToIssue(context: Context, claimed: Renewal): Promise<Certificate | null> {
  const facts = await loadFacts(context, context.store, claimed);
  const beforeClaim = { ...claimed, leaseUntil: null, openClaims: claimed.openClaims - 1 };
  return advance(beforeClaim, facts, context.clock.now()).kind === "issue" ? facts.certificate : null;
}

/** Gives the lease back without an outcome, so that the next worker need not wait for it to run out. */
async function releaseClaim(context: Context, renewal: Renewal): Promise<void> {
  await context.store.renewals.update(renewal.id, renewal.fence, {
    leaseUntil: null,
    openClaims: renewal.openClaims - 1,
  });
  await reconcile(context, renewal.id);
}

/** Not a failure: it comes back when the other order may be done. */
async function waitForOtherOrder(context: Context, renewal: Renewal, other: string): Promise<void> {
  const { store, clock, settings, log } = context;
  log.info(
    { certificate: renewal.certificate, renewalId: renewal.id, other },
    "waits: another renewal has an order for the same names",
  );
  const retryAt = clock.now() + settings.requeueMs;
  await store.renewals.update(renewal.id, renewal.fence, {
    leaseUntil: null,
    openClaims: renewal.openClaims - 1,
    retryAt,
  });
  await reconcile(context, renewal.id);
}

function orderProgress(context: Context, renewal: Renewal, certificate: Certificate, lease: Lease): OrderProgress {
  const { store, clock, services } = context;
  const budget = services.budget(issuerOf(renewal, certificate));
  return {
    load: () => store.renewals.orderState(renewal.id),
    async save(state, event) {
      lease.assertHeld();
      await store.transaction(async (tx) => {
        assertNotOvertaken(await tx.renewals.saveOrderState(renewal.id, renewal.fence, state));
        if (!event) return;
        await tx.events.append(renewalEvent(renewal, clock.now(), event.type, event.detail));
        if (event.type === "challenge.failed")
          await countFailedValidation(tx, budget, String(event.detail.identifier), clock.now());
      });
    },
    async reserve({ exempt }) {
      lease.assertHeld();
      const version = await store.versions.latest(certificate.name);
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
        // What whoever has taken over has taken for its order is not ours to give back.
        assertNotOvertaken(await tx.renewals.saveOrderState(renewal.id, renewal.fence, {}));
        await refundLimits(tx, renewal.id);
      }),
    async abandon(why) {
      await store.transaction(async (tx) => {
        await refundLimits(tx, renewal.id);
        assertNotOvertaken(await tx.renewals.saveOrderState(renewal.id, renewal.fence, { orderUrl: null, csr: null }));
        await tx.events.append(renewalEvent(renewal, clock.now(), "order.abandoned", { why }));
      });
    },
  };
}

async function recordIssued(
  context: Context,
  renewal: Renewal,
  { certificate, dropped, result }: Extract<Outcome, { kind: "issued" }>,
): Promise<void> {
  const now = context.clock.now();
  const { generation } = renewal;
  const { leaf, leafPem, chainPem, privateKey } = result;
  const { name, keyType, targets } = certificate;
  const issuer = issuerOf(renewal, certificate);
  const recorded = await recordOutcome(context, renewal.id, async (tx) => {
    // The pending key moves into the version in one transaction: there is never none and never two.
    if (!(await tx.renewals.saveOrderState(renewal.id, renewal.fence, { privateKey: null, orderUrl: null, csr: null })))
      return false;
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
    await tx.deployments.want(name, targets, generation);
    await tx.renewalInfos.watch(name, generation, now);
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
    return true;
  });
  if (!recorded)
    context.log.warn({ certificate: name, renewalId: renewal.id }, "late write refused: another worker has taken over");
}

async function recordIssueFailed(
  context: Context,
  renewal: Renewal,
  { error, turned, next }: Extract<Outcome, { kind: "failed" }>,
): Promise<void> {
  const { clock, log } = context;
  const now = clock.now();
  const attempts = attemptsAfter(renewal, error);
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
