import { randomUUID } from "node:crypto";
import type { Bucket } from "../../domain/budget.ts";
import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { groupsOf } from "../../domain/groups.ts";
import { deploysExisting, type Reason, type Renewal, type Trigger } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { HOUR_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { type Buckets, byKey, keyOf, spend } from "../rules/budget.ts";
import { withoutDeadEndpoints } from "../rules/deadNames.ts";
import { chargesFor, decide, isFreeOfBudget, type PlanDecision, type PlanFacts } from "../rules/decide.ts";
import { nextGeneration } from "../rules/generation.ts";
import { isReplacementPending } from "../rules/replacement.ts";
import { PERSON_PRIORITY, runwayPriority } from "../rules/window.ts";
import { type Change, recordChanges } from "../steps/reconcile.ts";
import { redeployDrifted } from "../steps/redeployDrifted.ts";
import { wantGeneration } from "../steps/wantGeneration.ts";
import { insertRenewal, type RenewalPlan } from "./newRenewal.ts";
import { probeAfterRestore } from "./restoreCheck.ts";
import { recordPlannable, recordUnplannable } from "./unplannable.ts";

/** Minutes left, as `runwayPriority`. Nothing valid may be served already. */
const REVOKED_PRIORITY = 1;
/** An emergency goes before the members of a replacement, which are many. */
const EMERGENCY_PRIORITY = 30;
/** As if it expired within the hour. */
const REPLACEMENT_PRIORITY = 60;
/** Renewals that one transaction starts: while it lasts, others have to wait. */
const STARTED_TOGETHER = 20;
/** Restored certificates whose endpoints are dialled at the same time. */
const LOOKS_AT_ONCE = 20;
/** How long dialling them may delay the rest of a tick. */
const RESTORED_BUDGET_MS = 30_000;
/** While an operator's window or freeze blocks a certificate, the planner checks again this often. */
const MAINTENANCE_LOOK_MS = HOUR_MS;
/** A planner that has yet to be reloaded leaves a certificate to the others for this long. */
const OUTDATED_LOOK_MS = 60_000;

/** Without `buckets` no budget blocks the certificate; it is checked again right before the order in any case. */
export async function loadPlanFacts(
  { store, services }: Pick<Context, "store" | "services">,
  certificate: Certificate,
  record: CertificateRecord,
  buckets: Buckets = new Map(),
): Promise<PlanFacts> {
  const found = await store.renewals.planningFacts(certificate.name);
  const { version, replacement } = found;
  const issuer = isReplacementPending(replacement, version) ? replacement.issuer : null;
  return {
    ...found,
    certificate: withoutDeadEndpoints(certificate, version),
    record,
    budget: { ca: services.budget(issuer ?? certificate.issuer), buckets },
  };
}

/**
 * Plans the certificates whose check is due, the most urgent first, until none is left or the time budget is used up.
 * Its cost grows with what is due, not with the fleet.
 */
export async function planDue(context: Context, signal: AbortSignal): Promise<Renewal[]> {
  await context.clockGuard.check(signal);
  const { store, clock, settings } = context;
  const startedAt = clock.monotonic();
  const planned: Renewal[] = [];
  const due: DueRenewal[] = [];
  const restored: CertificateRecord[] = [];
  const isOver = (): boolean => clock.monotonic() - startedAt >= settings.planBudgetMs;
  const seen = new Set<string>();
  let buckets: Map<string, Bucket> | null = null;
  for (;;) {
    // Those that are still due were seen: each is planned once in a tick. Twice as many, so that few pages repeat them.
    const limit = settings.batch + 2 * seen.size;
    const page = await store.certificates.due(clock.now(), limit);
    const records = page.filter(({ name }) => !seen.has(name));
    if (records.length === 0) break;
    // Read once: this tick adds what it plans itself, because the workers open the orders later.
    buckets ??= await loadBuckets(context);
    for (const record of records) {
      signal.throwIfAborted();
      if (isOver()) break;
      seen.add(record.name);
      if (record.restoredAt !== null) restored.push(record);
      else due.push(...(await attemptDecide(context, record, buckets, signal)));
      if (due.length >= STARTED_TOGETHER) planned.push(...(await attemptStart(context, due.splice(0), signal)));
    }
    // Before the next page, which is read again.
    planned.push(...(await attemptStart(context, due.splice(0), signal)));
    if (page.length < limit || isOver()) break;
  }
  return [...planned, ...(await planRestored(context, restored, buckets ?? new Map(), signal))];
}

/** After a restore the endpoints are dialled first: several at once, and last, because some may not answer. */
async function planRestored(
  context: Context,
  restored: readonly CertificateRecord[],
  buckets: Map<string, Bucket>,
  signal: AbortSignal,
): Promise<Renewal[]> {
  const { clock } = context;
  const startedAt = clock.monotonic();
  const planned: Renewal[] = [];
  const planOne = async (record: CertificateRecord): Promise<Renewal[]> =>
    attemptStart(context, await attemptDecide(context, record, buckets, signal), signal);
  for (const group of groupsOf(restored, LOOKS_AT_ONCE)) {
    signal.throwIfAborted();
    if (clock.monotonic() - startedAt >= RESTORED_BUDGET_MS) break;
    planned.push(...(await Promise.all(group.map(planOne))).flat());
  }
  return planned;
}

/** The limits are checked again right before each order: planning goes on without them. */
async function loadBuckets({ store, services, clock, log }: Context): Promise<Map<string, Bucket>> {
  // Of a CA that limits nothing there is nothing to read.
  const limits = services.issuerNames().flatMap((issuer) => Object.keys(services.budget(issuer).limits));
  if (limits.length === 0) return new Map();
  try {
    return byKey(await store.ledger.list(clock.now()));
  } catch (thrown) {
    log.warn({ err: toRenewalError(thrown) }, "the use of the CAs' limits cannot be read; planned without it");
    return new Map();
  }
}

/** A certificate that is due, and why. */
interface DueRenewal {
  readonly facts: PlanFacts;
  readonly start: RenewalStart;
}

/** Empty: not due. One certificate that cannot be planned must not stop the others. */
async function attemptDecide(
  context: Context,
  record: CertificateRecord,
  buckets: Map<string, Bucket>,
  signal: AbortSignal,
): Promise<DueRenewal[]> {
  try {
    const due = await decideOne(context, record, buckets, signal);
    if (due !== null) return [due];
    await recordPlannable(context, record);
  } catch (thrown) {
    signal.throwIfAborted();
    await recordUnplannable(context, record.name, thrown);
  }
  return [];
}

/** In one transaction. If that fails each has its own, which shows those that cannot be planned. */
async function attemptStart(context: Context, due: readonly DueRenewal[], signal: AbortSignal): Promise<Renewal[]> {
  try {
    const started = await startRenewals(context, due);
    for (const { facts } of due) await recordPlannable(context, facts.record);
    return started;
  } catch (thrown) {
    signal.throwIfAborted();
    const started: Renewal[] = [];
    if (due.length > 1) for (const each of due) started.push(...(await attemptStart(context, [each], signal)));
    else for (const { facts } of due) await recordUnplannable(context, facts.record.name, thrown);
    return started;
  }
}

/** Null: not due. */
async function decideOne(
  context: Context,
  record: CertificateRecord,
  buckets: Map<string, Bucket>,
  signal: AbortSignal,
): Promise<DueRenewal | null> {
  const { store, clock, log } = context;
  const now = clock.now();
  const certificate = context.services.certificate(record.name);
  if (certificate === null || certificate.digest !== record.digest) {
    // Another process runs a newer configuration; it plans this certificate.
    log.warn(
      { certificate: record.name },
      "certificate's configuration here differs from the database: reload this planner",
    );
    await store.certificates.moveCheck(record, now + OUTDATED_LOOK_MS);
    return null;
  }
  const loaded = await loadPlanFacts(context, certificate, record, buckets);
  const facts = loaded.active === null ? await probeAfterRestore(context, loaded, signal) : loaded;
  const decision = decide(facts, now);
  if (!decision.due) {
    // If somebody asked for a check at once meanwhile, this must not put it off.
    await store.certificates.moveCheck(record, nextLook(decision, facts, now));
    log.debug(
      { certificate: record.name, why: decision.blockedBy ?? "notDue", detail: decision.detail },
      "certificate not due",
    );
    return null;
  }
  if (!isFreeOfBudget(facts, decision.reason, now)) {
    const charges = chargesFor(certificate, facts.version, facts.budget.ca).filter(({ spends }) => spends);
    for (const bucket of spend(charges, buckets, now)) buckets.set(keyOf(bucket), bucket);
  }
  const { reason, detail } = decision;
  return { facts, start: { reason, detail, trigger: "planner", id: null } };
}

/** A freeze may be lifted by a reload, which changes no certificate's digest; a pause must not hide an expiry. */
function nextLook(
  { blockedBy, until }: Extract<PlanDecision, { due: false }>,
  { version }: PlanFacts,
  now: number,
): number | null {
  if (until !== null && (blockedBy === "frozen" || blockedBy === "outsideWindow"))
    return Math.min(until, now + MAINTENANCE_LOOK_MS);
  if (blockedBy !== "paused" || version === null || version.leaf.notAfter <= now) return until;
  return Math.min(until ?? Number.POSITIVE_INFINITY, version.leaf.notAfter);
}

export interface RenewalStart {
  readonly reason: Reason;
  readonly detail: string;
  readonly trigger: Trigger;
  /** null: a new one. */
  readonly id: string | null;
}

/**
 * Inserts the renewals with their events and enqueues their first steps, in one transaction. Returns those that it
 * started: not those where another planner was faster, or the version to be replaced was replaced meanwhile.
 */
export async function startRenewals(context: Context, due: readonly DueRenewal[]): Promise<Renewal[]> {
  if (due.length === 0) return [];
  const started = await recordChanges(context, async (tx) => {
    await tx.certificates.lock(due.map(({ facts }) => facts.certificate.name));
    const changes: (Change & { readonly started: Renewal })[] = [];
    for (const each of due) changes.push(...(await insertDue(context, tx, each)));
    return changes;
  });
  for (const {
    started: { certificate, id, reason },
  } of started)
    context.log.info({ certificate, renewalId: id, reason }, "renewal planned");
  return started.map((each) => each.started);
}

/** Decided in the transaction that inserts it: a commit fewer, and nobody sees a renewal that has no next step. */
async function insertDue(
  { clock, settings }: Context,
  tx: Store,
  { facts, start }: DueRenewal,
): Promise<(Change & { readonly started: Renewal })[]> {
  const now = clock.now();
  const id = start.id ?? randomUUID();
  const plan = planFor(facts, { ...start, id, nextActionAt: now + settings.requeueMs }, now);
  const { certificate, generation } = plan;
  const found = await tx.renewals.facts({ certificate: certificate.name, generation });
  // A whole renewal may have ended since the facts were loaded; a renewal for an older generation would never end.
  if (found.latestGeneration !== (facts.version?.generation ?? null)) return [];
  const started = await insertRenewal(tx, plan, now);
  if (started === null) return [];
  const wanted = { certificate, generation, renewalId: id };
  if (start.reason === "drift") await redeployDrifted(tx, wanted, now);
  else if (start.reason === "targetChanged") await wantGeneration(tx, wanted, now);
  else return [{ renewalId: id, facts: found, started }];
  return [{ renewalId: id, started }];
}

function planFor(
  { certificate, version, record, replacement, deployments }: PlanFacts,
  start: RenewalStart & Pick<RenewalPlan, "nextActionAt">,
  now: number,
): RenewalPlan {
  const current = version?.generation ?? 0;
  const replaces = isReplacementPending(replacement, version);
  const runway = runwayPriority(version, now);
  const asked = start.trigger === "request" ? PERSON_PRIORITY : runway;
  return {
    ...start,
    certificate,
    generation: deploysExisting(start.reason) ? current : nextGeneration(version, record, deployments),
    issuer: !deploysExisting(start.reason) && replaces ? replacement.issuer : null,
    priority: Math.min(laneOf(start.reason, replaces) ?? runway, asked, runway),
  };
}

function laneOf(reason: Reason, replaces: boolean): number | null {
  if (reason === "revoked") return REVOKED_PRIORITY;
  if (reason === "emergency") return EMERGENCY_PRIORITY;
  return replaces ? REPLACEMENT_PRIORITY : null;
}
