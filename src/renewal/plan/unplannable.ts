import type { CertificateRecord } from "../../domain/certificate.ts";
import { type RenewalError, toRenewalError } from "../../domain/errors.ts";
import { isStoreAway } from "../../domain/errorTable.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";
import { HOUR_MS, MINUTE_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { errorDetail } from "../history.ts";
import { isUnplannable } from "../rules/unplannable.ts";
import { wakePlanner } from "../steps/hold.ts";

/** After failure 1, 2, 3 … twice as long, so that broken certificates do not stay at the head of the due list. */
const RETRY_FIRST_MS = MINUTE_MS;
const RETRY_MAX_MS = HOUR_MS;

/**
 * One certificate could not be planned: moves it on, so that it does not block the others, and records why. One event
 * for each fault, not one per tick. Throws only while the database is away.
 */
export async function recordUnplannable(context: Context, name: string, thrown: unknown): Promise<void> {
  const { clock, log } = context;
  const error = toRenewalError(thrown);
  const now = clock.now();
  log.error({ certificate: name, code: error.code, err: error }, "certificate cannot be planned; the others are");
  const moveOn = async (tx: Store, isHistoryWritable: boolean): Promise<void> => {
    const record = await tx.certificates.get(name);
    if (record === null) return;
    const planFailures = record.planFailures + 1;
    const retryMs = Math.min(RETRY_FIRST_MS * 2 ** Math.min(record.planFailures, 10), RETRY_MAX_MS);
    // null: a renewal is in flight, or the certificate left the configuration.
    const nextCheckAt = record.nextCheckAt === null ? null : now + retryMs;
    const patch = { nextCheckAt, planFailures, planErrorCode: error.code, planErrorMessage: error.message };
    await tx.certificates.update(name, patch);
    if (isHistoryWritable && isNews(record, error, planFailures))
      await tx.events.append(unplannableEvent(name, error, now));
  };
  if (await attemptWrite(context, name, (tx) => moveOn(tx, true))) return;
  // Its own row takes no writes: the history remembers instead whether people know.
  if (await attemptWrite(context, name, (tx) => recordOnce(tx, name, error, now))) return;
  // The history takes none: status shows what its row says.
  await attemptWrite(context, name, (tx) => moveOn(tx, false));
}

/** It was planned: the fault is over. */
export async function recordPlannable({ store, clock }: Context, record: CertificateRecord): Promise<void> {
  if (record.planFailures === 0) return;
  await store.transaction(async (tx) => {
    await tx.certificates.update(record.name, { planFailures: 0, planErrorCode: null, planErrorMessage: null });
    if (isUnplannable(record))
      await tx.events.append({ ...eventOf(record.name, clock.now()), type: "certificate.plannable", detail: {} });
  });
}

/** False: the write failed. Throws while the database is away: then no other write would succeed either. */
export async function attemptWrite(
  { store, log }: Context,
  certificate: string,
  write: (tx: Store) => Promise<unknown>,
): Promise<boolean> {
  try {
    await store.transaction(write);
    return true;
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (isStoreAway(error.code)) throw error;
    log.error({ certificate, code: error.code, err: error }, "a certificate's row takes no writes");
    return false;
  }
}

/** Something about the certificate could not be read: the planner finds out and records it, unless it already knows. */
export async function askPlanner(tx: Store, name: string, now: number): Promise<void> {
  const record = await tx.certificates.get(name);
  if (record?.planFailures === 0) await wakePlanner(tx, name, now);
}

async function recordOnce(tx: Store, name: string, error: RenewalError, now: number): Promise<void> {
  const types = ["certificate.unplannable", "certificate.plannable"] as const;
  const [last] = await tx.events.list({ certificate: name, types, limit: 1, sealed: true });
  if (last?.type === "certificate.unplannable" && last.detail.code === error.code) return;
  await tx.events.append(unplannableEvent(name, error, now));
}

function isNews(before: CertificateRecord, { code }: RenewalError, planFailures: number): boolean {
  if (!isUnplannable({ planErrorCode: code, planFailures })) return false;
  return before.planErrorCode !== code || !isUnplannable(before);
}

function unplannableEvent(name: string, error: RenewalError, now: number): NewEvent {
  return { ...eventOf(name, now), type: "certificate.unplannable", detail: errorDetail(error) };
}

function eventOf(certificate: string, at: number): Pick<NewEvent, "at" | "certificate" | "renewalId" | "target"> {
  return { at, certificate, renewalId: null, target: null };
}
