import type { Certificate } from "../../domain/certificate.ts";
import { type RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { OrderProgress, OrderState } from "../../domain/issuer.ts";
import { withoutClaim } from "../../domain/lease.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { maxBackoffMs, retryAt } from "../rules/backoff.ts";
import { namesToOrder } from "../rules/deadNames.ts";
import { whySwitch } from "../rules/issuerChoice.ts";
import { orderScope } from "../rules/order.ts";
import { claimInTime, underClaim } from "./claim.ts";
import { loadDeadNames } from "./deadNames.ts";
import { attemptsAfter, type Outcome, recordIssued, recordIssueFailed } from "./issueOutcome.ts";
import { assertNotOvertaken, isInterruption, type Lease, withLease } from "./lease.ts";
import { nextActionIgnoringMyClaim } from "./nextAction.ts";
import { issuerOf, orderProgress } from "./orderProgress.ts";
import { orderRequest } from "./orderRequest.ts";
import { assertWorthOrdering, concernText, preflight } from "./preflight.ts";
import { recordOutcome } from "./reconcile.ts";
import { type IssuerSwitch, switchIssuer, waitedMs } from "./switchIssuer.ts";

const CLEAR_TIMEOUT_MS = 15_000;
const CONCERNS_SHOWN_MAX = 20;

/** Gets a renewal its new version. Any number of workers may get the job; the one that claims the renewal does it. */
export async function issue(context: Context, renewalId: string, signal: AbortSignal): Promise<void> {
  const { store, clock } = context;
  await context.clockGuard.check(signal);
  const claimedAt = clock.monotonic();
  const claim = () => store.transaction((tx) => claimAndBegin(context, tx, renewalId));
  const claimed = await claimInTime(context, claim, (late) => giveBack(context, late.renewal), signal);
  if (claimed === null) return;
  await underClaim(
    context,
    () => giveBack(context, claimed.renewal),
    () => issueClaimed(context, claimed, claimedAt, signal),
  );
}

interface Claimed {
  readonly renewal: Renewal;
  /** Null: not needed any more. */
  readonly begun: Begun | null;
}

interface Begun {
  /** With the names to order. */
  readonly certificate: Certificate;
  readonly dropped: readonly string[];
  /** Another renewal that has an order for the same names: nothing was begun. */
  readonly busy: string | null;
  /** As the claim found it. */
  readonly order: Promise<OrderState>;
  /** The newest version; throws when it is damaged. */
  readonly predecessor: () => Version | null;
}

async function claimAndBegin(context: Context, tx: Store, renewalId: string): Promise<Claimed | null> {
  const { clock, settings } = context;
  const renewal = await tx.renewals.claim(renewalId, clock.now(), settings.leaseMs);
  return renewal && { renewal, begun: await begin(context, tx, renewal) };
}

async function begin(context: Context, tx: Store, renewal: Renewal): Promise<Begun | null> {
  const { clock } = context;
  const { action, facts } = await nextActionIgnoringMyClaim(context, tx, renewal);
  // Asked after the claim: the work may be done, cancelled or not due by now.
  if (action.kind !== "issue" || facts.certificate === null) return null;
  const { name, dropDeadNames } = facts.certificate;
  const { kept, dropped } = namesToOrder(facts.certificate, dropDeadNames ? await loadDeadNames(tx, name) : []);
  const certificate = { ...facts.certificate, identifiers: kept };
  const order = tx.renewals.orderState(renewal.id);
  // What cannot be read fails the attempt, not the claim.
  order.catch(() => {});
  const begun = { certificate, dropped, order, predecessor: facts.before };
  const issuer = issuerOf(renewal, certificate);
  const scope = orderScope(context.services.budget(issuer), certificate.identifiers);
  const busy = await tx.renewals.occupy(scope, renewal.id, clock.now());
  if (busy !== null) return { ...begun, busy };
  assertNotOvertaken(await tx.renewals.update(renewal.id, renewal.fence, { state: "issuing" }));
  const started = { attempt: renewal.attempts + 1, issuer };
  await tx.events.append(renewalEvent(renewal, clock.now(), "issue.started", started));
  if (dropped.length > 0)
    await tx.events.append(renewalEvent(renewal, clock.now(), "issue.namesDropped", { names: dropped }));
  return { ...begun, busy };
}

async function issueClaimed(
  context: Context,
  { renewal, begun }: Claimed,
  claimedAt: number,
  signal: AbortSignal,
): Promise<void> {
  const { store } = context;
  const extend = (leaseUntil: number): Promise<boolean> =>
    store.renewals.update(renewal.id, renewal.fence, { leaseUntil, nextActionAt: leaseUntil });
  const noted: NewEvent[] = [];
  const outcome = await withLease(context, { claimedAt, extend }, signal, (lease) =>
    attemptIssue(context, renewal, begun && { ...begun, noted }, lease),
  );
  switch (outcome.kind) {
    case "issued":
      return recordIssued(context, renewal, outcome, noted);
    case "failed":
      return recordIssueFailed(context, renewal, outcome, noted);
    default:
      return releaseClaim(context, renewal, outcome, noted);
  }
}

async function attemptIssue(
  context: Context,
  renewal: Renewal,
  begun: (Begun & { readonly noted: NewEvent[] }) | null,
  lease: Lease,
): Promise<Outcome> {
  const { store, clock, services, settings } = context;
  if (begun === null) return { kind: "notNeeded" };
  const { certificate, dropped, busy } = begun;
  if (busy !== null) {
    const why = `renewal ${busy} has an order for the same names`;
    return { kind: "waits", why, until: clock.now() + settings.requeueMs };
  }
  const issuer = issuerOf(renewal, certificate);
  const progress = orderProgress(context, renewal, begun, lease);
  try {
    // In an emergency a CA that may only have a wrong clock is better than none.
    if (renewal.reason !== "emergency") await context.clockGuard.check(lease.signal, issuer);
    const solvers = services.solvers(certificate);
    await examineFirst(context, renewal, certificate, { issuer, progress, noted: begun.noted }, lease);
    const ordering = { certificate, issuer, predecessor: begun.predecessor() };
    const request = await orderRequest(context, renewal, ordering);
    const result = await services.issuer(issuer).issue(request, progress, solvers, lease.signal);
    return { kind: "issued", certificate, dropped, result };
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (isWaiting(error) && !isInterruption(thrown, lease))
      return { kind: "waits", why: error.message, until: error.retryAt ?? clock.now() + settings.requeueMs };
    const failures = attemptsAfter(renewal, error, clock.now());
    const turned = isInterruption(thrown, lease)
      ? null
      : await switchFrom(context, renewal, certificate, { error, attempts: failures }, lease);
    if (turned !== null) {
      const now = clock.now();
      const next =
        turned.to !== null
          ? now
          : retryAt(
              {
                error,
                failures,
                attemptsMax: settings.issueAttemptsMax,
                // A renewal that switched to another CA begins to count there.
                previousCode: renewal.attempts > 0 ? renewal.errorCode : null,
                waitMaxMs: maxBackoffMs(await store.versions.latest(certificate.name), now),
              },
              settings,
              now,
            );
      if (turned.to !== null || next === null)
        await clearAbandonedOrder(context, renewal, certificate, progress, lease);
      return { kind: "failed", error, attempts: failures, turned, next };
    }
    context.log.info(
      { certificate: renewal.certificate, renewalId: renewal.id, reason: error.message },
      "issuing interrupted; the same order is resumed",
    );
    return { kind: "interrupted" };
  }
}

interface Attempt {
  readonly issuer: string;
  readonly progress: OrderProgress;
  /** What is told to the history with the next step. */
  readonly noted: NewEvent[];
}

/** Before an order is opened. In an emergency nothing found here keeps it from being tried. */
async function examineFirst(
  context: Context,
  renewal: Renewal,
  certificate: Certificate,
  { issuer, progress, noted }: Attempt,
  lease: Lease,
): Promise<void> {
  if ((await progress.load()).orderUrl !== null) return;
  const concerns = await preflight(context, certificate, { issuer, thorough: false }, lease.signal);
  if (concerns.length === 0) return;
  const refused = renewal.reason !== "emergency" && concerns.some(({ fatal }) => fatal);
  const detail = { concerns: concerns.slice(0, CONCERNS_SHOWN_MAX).map(concernText), refused };
  noted.push(renewalEvent(renewal, context.clock.now(), "issue.preflight", detail));
  if (refused) assertWorthOrdering(concerns);
}

/** Asking other CAs takes time, so it happens under the lease. Null: interrupted. */
async function switchFrom(
  context: Context,
  renewal: Renewal,
  certificate: Certificate,
  { error, attempts }: { readonly error: RenewalError; readonly attempts: number },
  lease: Lease,
): Promise<IssuerSwitch | null> {
  const known = { attempts, waitedMs: await waitedMs(context.store, renewal) };
  const why = whySwitch(error, known, context.clock.now());
  if (why === null) return { to: null, events: [] };
  try {
    return await switchIssuer(context, renewal, certificate, why, lease.signal);
  } catch (thrown) {
    if (isInterruption(thrown, lease)) return null;
    throw thrown;
  }
}

/** Removes challenge answers that were left for the CA. Best effort: the outcome is recorded in any case. */
async function clearAbandonedOrder(
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
      .clearAnswers?.(progress, services.solvers(certificate), bounded);
  } catch (thrown) {
    log.warn(
      { certificate: renewal.certificate, renewalId: renewal.id, err: toRenewalError(thrown) },
      "challenge answers of an abandoned order may be left behind",
    );
  }
}

/** Releases the lease, so that the next worker need not wait until it runs out. No attempt is counted. */
async function releaseClaim(
  context: Context,
  renewal: Renewal,
  outcome: Exclude<Outcome, { kind: "issued" | "failed" }>,
  noted: readonly NewEvent[],
): Promise<void> {
  const { certificate, id, fence } = renewal;
  const of = { certificate, renewalId: id };
  if (outcome.kind === "waits") context.log.info({ ...of, reason: outcome.why, until: outcome.until }, "issuing waits");
  const patch = { ...withoutClaim(renewal), ...(outcome.kind === "waits" && { retryAt: outcome.until }) };
  await recordOutcome(context, id, async (tx) => {
    if (!(await tx.renewals.update(id, fence, patch))) return false;
    for (const event of noted) await tx.events.append(event);
    return true;
  });
}

function giveBack({ store }: Context, renewal: Renewal): Promise<boolean> {
  return store.renewals.update(renewal.id, renewal.fence, withoutClaim(renewal));
}

/**
 * A slow DNS provider holds no worker: the answer stays published, and the order is resumed when it may be visible. A
 * provider that can hold no other answer now is asked again soon.
 */
function isWaiting({ code }: RenewalError): boolean {
  return code === "challenge.waiting" || code === "dns.busy";
}
