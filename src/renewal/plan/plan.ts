import { randomUUID } from "node:crypto";
import type { Bucket } from "../../domain/budget.ts";
import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { deploysExisting, type Reason, type Renewal, type Trigger } from "../../domain/renewal.ts";
import { HOUR_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { type Buckets, byKey, keyOf, spend } from "../rules/budget.ts";
import { withoutDeadEndpoints } from "../rules/deadNames.ts";
import { chargesFor, decide, isFreeOfBudget, type PlanDecision, type PlanFacts } from "../rules/decide.ts";
import { nextGeneration } from "../rules/generation.ts";
import { isReplacementPending } from "../rules/replacement.ts";
import { PERSON_PRIORITY, runwayPriority } from "../rules/window.ts";
import { recordChange } from "../steps/reconcile.ts";
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
  const planned: (Renewal | null)[] = [];
  const restored: CertificateRecord[] = [];
  const seen = new Set<string>();
  let buckets: Map<string, Bucket> | null = null;
  for (;;) {
    // Those that are still due were seen: each is planned once in a tick. Twice as many, so that few pages repeat them.
    const limit = settings.batch + 2 * seen.size;
    const page = await store.certificates.due(clock.now(), limit);
    const due = page.filter(({ name }) => !seen.has(name));
    if (due.length === 0) break;
    // Read once: this tick adds what it plans itself, because the workers open the orders later.
    buckets ??= await loadBuckets(context);
    for (const record of due) {
      signal.throwIfAborted();
      if (clock.monotonic() - startedAt >= settings.planBudgetMs) break;
      seen.add(record.name);
      if (record.restoredAt !== null) restored.push(record);
      else planned.push(await attemptPlan(context, record, buckets, signal));
    }
    if (page.length < limit || clock.monotonic() - startedAt >= settings.planBudgetMs) break;
  }
  planned.push(...(await planRestored(context, restored, buckets ?? new Map(), signal)));
  return planned.filter((renewal) => renewal !== null);
}

/** After a restore the endpoints are dialled first: several at once, and last, because some may not answer. */
async function planRestored(
  context: Context,
  restored: readonly CertificateRecord[],
  buckets: Map<string, Bucket>,
  signal: AbortSignal,
): Promise<(Renewal | null)[]> {
  const { clock } = context;
  const startedAt = clock.monotonic();
  const planned: (Renewal | null)[] = [];
  for (const group of groupsOf(restored, LOOKS_AT_ONCE)) {
    signal.throwIfAborted();
    if (clock.monotonic() - startedAt >= RESTORED_BUDGET_MS) break;
    planned.push(...(await Promise.all(group.map((record) => attemptPlan(context, record, buckets, signal)))));
  }
  return planned;
}

/** The limits are checked again right before each order: planning goes on without them. */
async function loadBuckets({ store, clock, log }: Context): Promise<Map<string, Bucket>> {
  try {
    return byKey(await store.ledger.list(clock.now()));
  } catch (thrown) {
    log.warn({ err: toRenewalError(thrown) }, "the use of the CAs' limits cannot be read; planned without it");
    return new Map();
  }
}

/** One certificate that cannot be planned must not stop the others. */
async function attemptPlan(
  context: Context,
  record: CertificateRecord,
  buckets: Map<string, Bucket>,
  signal: AbortSignal,
): Promise<Renewal | null> {
  try {
    const renewal = await planOne(context, record, buckets, signal);
    await recordPlannable(context, record);
    return renewal;
  } catch (thrown) {
    signal.throwIfAborted();
    await recordUnplannable(context, record.name, thrown);
    return null;
  }
}

function groupsOf<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
}

async function planOne(
  context: Context,
  record: CertificateRecord,
  buckets: Map<string, Bucket>,
  signal: AbortSignal,
): Promise<Renewal | null> {
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
  return startRenewal(context, facts, {
    reason: decision.reason,
    detail: decision.detail,
    trigger: "planner",
    id: null,
  });
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
 * Inserts the renewal with its event and enqueues its first step. Null: another planner was faster, or the version to
 * be replaced was replaced meanwhile.
 */
export async function startRenewal(context: Context, facts: PlanFacts, start: RenewalStart): Promise<Renewal | null> {
  const { clock, log, settings } = context;
  const now = clock.now();
  const id = start.id ?? randomUUID();
  const inserted: Renewal[] = [];
  // In one transaction with what comes first: a commit fewer, and nobody sees a renewal that has no next step.
  const isStarted = await recordChange(context, async (tx) => {
    const plan = planFor(facts, { ...start, id, nextActionAt: now + settings.requeueMs }, now);
    const { certificate, generation } = plan;
    await tx.certificates.lock([certificate.name]);
    const found = await tx.renewals.facts({ certificate: certificate.name, generation });
    // A whole renewal may have ended since the facts were loaded; a renewal for an older generation would never end.
    if (found.latestGeneration !== (facts.version?.generation ?? null)) return null;
    const renewal = await insertRenewal(tx, plan, now);
    if (renewal === null) return null;
    inserted.push(renewal);
    const wanted = { certificate, generation, renewalId: id };
    if (start.reason === "drift") await redeployDrifted(tx, wanted, now);
    else if (start.reason === "targetChanged") await wantGeneration(tx, wanted, now);
    else return { renewalId: id, facts: found };
    return { renewalId: id };
  });
  if (!isStarted) return null;
  log.info({ certificate: facts.certificate.name, renewalId: id, reason: start.reason }, "renewal planned");
  // The last: a transaction that met another one is repeated.
  return inserted.at(-1) ?? null;
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
