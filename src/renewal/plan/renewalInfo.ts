import pLimit from "p-limit";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { Issuer } from "../../domain/issuer.ts";
import type { RenewalInfo, RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import type { Store } from "../../domain/store.ts";
import { DAY_MS, formatDuration, HOUR_MS } from "../../domain/time.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { delayOf, LADDERS_MS } from "../rules/backoff.ts";
import { chooseInstant, countOverdue, isDistrusted, windowFault } from "../rules/suggestion.ts";
import { askPlanner, attemptWrite } from "./unplannable.ts";

/** Planning waits for a poll round, so a round is short; the rest is due at the next tick. */
const ROUND_MS = 20_000;
/**
 * Polls in one round, in batches of the planner: a thousand a minute by default, so a million certificates within a day.
 * More are never made, however many are due: neither a fleet that was issued at once nor one that was not polled for days
 * makes a burst. The longest due come first.
 */
export const POLL_BATCHES = 5;
const AT_ONCE = 10;
const REQUEST_TIMEOUT_MS = 10_000;
/** Polls of a fleet issued together drift apart by up to this fraction of their interval. */
const SPREAD_FRACTION = 0.05;

/** Troubles of the CA, not of one certificate: it gets no more requests in this round. */
const CA_TROUBLE: ReadonlySet<ErrorCode> = new Set([
  "acme.connection",
  "acme.timeout",
  "acme.server",
  "acme.rateLimited",
  "acme.untrusted",
  "acme.directory",
]);

/**
 * Asks each CA when its certificates should be renewed (RFC 9773), those whose poll is due: the whole inventory over a
 * few hours, at a cost that grows with what is due. A CA may move windows at any time, so this is how a mass revocation
 * is noticed. Returns how many certificates became due now.
 */
export async function pollRenewalInfo(context: Context, signal: AbortSignal): Promise<number> {
  await context.clockGuard.check(signal);
  const { store, clock, settings } = context;
  const startedAt = clock.monotonic();
  /** Issuer → the error that ended asking it in this round. */
  const troubled = new Map<string, RenewalError>();
  let moved = 0;
  const limit = pLimit(AT_ONCE);
  const polls = (await store.renewalInfos.due(clock.now(), POLL_BATCHES * settings.batch)).map((row) =>
    limit(async () => {
      signal.throwIfAborted();
      if (clock.monotonic() - startedAt > ROUND_MS) return;
      if (await attemptPoll(context, row, troubled, signal)) moved += 1;
    }),
  );
  // All of them have ended before anything is thrown.
  for (const poll of await Promise.allSettled(polls)) if (poll.status === "rejected") throw poll.reason;
  return moved;
}

/** One certificate that cannot be read must not stop the polling of the others. The planner records why. */
async function attemptPoll(
  context: Context,
  row: RenewalInfoRecord,
  troubled: Map<string, RenewalError>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await pollOne(context, row, troubled, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const { clock, log } = context;
    log.error(
      { certificate: row.certificate, err: toRenewalError(thrown) },
      "renewalInfo not polled; it is tried again",
    );
    await attemptWrite(context, row.certificate, async (tx) => {
      await tx.renewalInfos.update(row.certificate, row.generation, { nextPollAt: clock.now() + HOUR_MS });
      await askPlanner(tx, row.certificate, clock.now());
    });
    return false;
  }
}

async function pollOne(
  context: Context,
  row: RenewalInfoRecord,
  troubled: Map<string, RenewalError>,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, clock } = context;
  const version = await store.versions.latest(row.certificate);
  if (version === null || !isWorthAsking(version, row, clock.now())) {
    await store.renewalInfos.update(row.certificate, row.generation, { nextPollAt: null });
    return false;
  }
  const asked = issuerToAsk(context, version);
  const issuer = asked === null ? null : issuerOf(context, asked);
  // Not in the configuration now, or a CA without renewalInfo: both may change.
  if (asked === null || issuer?.renewalInfo === undefined) return noSuggestion(context, row);
  const known = troubled.get(asked);
  if (known !== undefined) return recordPollFailed(context, row, known);
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
    const info = await issuer.renewalInfo(version.leafPem, limited);
    if (info === null) return await noSuggestion(context, row);
    const fault = windowFault(info, version.leaf, clock.now());
    return fault === null
      ? await recordSuggested(context, row, version, info)
      : await recordPollFailed(context, row, windowIgnored(asked, fault, info));
  } catch (thrown) {
    signal.throwIfAborted();
    const error = isTimeout(thrown)
      ? new RenewalError(
          "acme.timeout",
          `CA "${asked}" did not answer renewalInfo within ${formatDuration(REQUEST_TIMEOUT_MS)}.`,
          {
            cause: thrown,
          },
        )
      : toRenewalError(thrown);
    if (CA_TROUBLE.has(error.code)) troubled.set(asked, error);
    // It does not know the certificate: another CA issued it.
    else if (version.issuer === IMPORTED && error.code !== "acme.renewalInfo") return noSuggestion(context, row);
    return recordPollFailed(context, row, error);
  }
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "TimeoutError";
}

/** A certificate that is replaced or has expired is not asked about any more (RFC 9773 §4.3.3). */
function isWorthAsking(version: Version, row: RenewalInfoRecord, now: number): boolean {
  return version.generation === row.generation && version.leaf.notAfter > now;
}

/**
 * The issuer of an imported pair is unknown: most likely the configured CA. Null: the certificate left the
 * configuration.
 */
function issuerToAsk({ services }: Context, { certificate, issuer }: Version): string | null {
  const configured = services.certificate(certificate);
  if (configured === null) return null;
  return issuer === IMPORTED ? configured.issuer : issuer;
}

function issuerOf({ services }: Context, name: string): Issuer | null {
  try {
    return services.issuer(name);
  } catch (thrown) {
    if (toRenewalError(thrown).code === "config.removed") return null;
    throw thrown;
  }
}

async function noSuggestion({ store, clock }: Context, row: RenewalInfoRecord): Promise<false> {
  const nothing = {
    windowStart: null,
    windowEnd: null,
    renewAt: null,
    explanationUrl: null,
    failures: 0,
    errorCode: null,
    errorMessage: null,
  };
  await store.renewalInfos.update(row.certificate, row.generation, { ...nothing, nextPollAt: clock.now() + DAY_MS });
  return false;
}

/** A known window keeps its instant: a new choice at every poll would shift renewals towards the window's start. */
async function recordSuggested(
  { store, clock }: Context,
  row: RenewalInfoRecord,
  { leaf, issuer }: Version,
  info: RenewalInfo,
): Promise<boolean> {
  const now = clock.now();
  const { start, end, explanationUrl, pollAt } = info;
  const isNew = row.windowStart !== start || row.windowEnd !== end || row.renewAt === null;
  const renewAt = isNew || row.renewAt === null ? chooseInstant(info, Math.random()) : row.renewAt;
  const nextPollAt = Math.min(Math.floor(pollAt + (pollAt - now) * SPREAD_FRACTION * Math.random()), now + DAY_MS);
  const { certificate, generation } = row;
  const overdueInRow = countOverdue(row, info, leaf, now);
  return store.transaction(async (tx) => {
    await tx.certificates.lock([certificate]);
    const patch = {
      overdueInRow,
      windowStart: start,
      windowEnd: end,
      renewAt,
      explanationUrl,
      polledAt: now,
      nextPollAt,
      failures: 0,
      errorCode: null,
      errorMessage: null,
    };
    if (!(await tx.renewalInfos.update(certificate, generation, patch))) return false;
    if (!isNew && row.explanationUrl === explanationUrl) return false;
    const detail = {
      generation,
      windowStart: start,
      windowEnd: end,
      renewAt,
      explanationUrl,
      moved: isNew && row.renewAt !== null,
    };
    await tx.events.append({
      at: now,
      type: "renewalInfo.suggested",
      certificate,
      renewalId: null,
      target: null,
      detail,
    });
    if (isDistrusted({ overdueInRow })) {
      if (!isDistrusted(row) || row.polledAt === null) await recordDistrusted(tx, row, issuer, overdueInRow, now);
      return false;
    }
    // Never later than planned: the planner finds out itself that it came too early. None while a renewal is in flight.
    const record = await tx.certificates.get(certificate);
    if (record?.nextCheckAt == null || record.nextCheckAt <= renewAt) return renewAt <= now;
    await tx.certificates.update(certificate, { nextCheckAt: Math.max(renewAt, now) });
    return renewAt <= now;
  });
}

function windowIgnored(issuer: string, fault: string, { pollAt }: RenewalInfo): RenewalError {
  const message = `CA "${issuer}" answered renewalInfo with ${fault}; it is ignored.`;
  return new RenewalError("acme.renewalInfo", message, { retryAt: pollAt });
}

/** Every version would be replaced at once, without end: people have to know, and the CA has to fix it. */
async function recordDistrusted(
  tx: Store,
  { certificate, generation }: RenewalInfoRecord,
  issuer: string,
  overdueInRow: number,
  at: number,
): Promise<void> {
  const message =
    `CA "${issuer}" asks to replace at once what it has just issued, ${overdueInRow} versions in a row; ` +
    "its windows are ignored and the certificate's own window applies.";
  const detail = { generation, code: "acme.renewalInfo", message, distrusted: true };
  await tx.events.append({ at, type: "renewalInfo.ignored", certificate, renewalId: null, target: null, detail });
}

/** The last suggestion stays in force. An answer that makes no sense is recorded once, not at every poll. */
async function recordPollFailed(
  { store, clock, log }: Context,
  row: RenewalInfoRecord,
  error: RenewalError,
): Promise<false> {
  const now = clock.now();
  const { certificate, generation } = row;
  const failures = row.failures + 1;
  const backoffMs = delayOf(LADDERS_MS.renewalInfo, failures);
  const nextPollAt = Math.min(Math.max(error.retryAt ?? 0, now + backoffMs), now + DAY_MS);
  log.debug({ certificate, code: error.code, reason: error.message }, "renewalInfo not read");
  await store.transaction(async (tx) => {
    const patch = { nextPollAt, failures, errorCode: error.code, errorMessage: error.message };
    if (!(await tx.renewalInfos.update(certificate, generation, patch))) return;
    if (error.code !== "acme.renewalInfo" || row.errorMessage === error.message) return;
    const detail = { generation, code: error.code, message: error.message };
    await tx.events.append({
      at: now,
      type: "renewalInfo.ignored",
      certificate,
      renewalId: null,
      target: null,
      detail,
    });
  });
  return false;
}
