import { hostname } from "node:os";
import type { Clock } from "../domain/clock.ts";
import { toRenewalError } from "../domain/errors.ts";
import { CLOCK_EVENTS, type EventDetail, type EventType } from "../domain/event.ts";
import { CLOCK_SKEW_MAX_MS } from "../domain/lease.ts";
import type { Log } from "../domain/log.ts";
import type { Store } from "../domain/store.ts";
import { redisTime } from "../queue/check.ts";
import type { RedisOptions } from "../queue/options.ts";
import { type ClockVerdict, type ClockWitness, openClockProblems, openDissents } from "../renewal/rules/clock.ts";
import type { RenewalSettings } from "../renewal/rules/settings.ts";
import { type ClockGuard, createClockGuard, dissentKey } from "../renewal/watch/clockGuard.ts";
import type { ReloadableServices } from "./services.ts";

const ASK_TIMEOUT_MS = 10_000;
/** A Date header counts seconds: after this long, one that is not from a cache has moved. */
const ASK_AGAIN_MS = 2_500;
const CAS_MAX = 8;
const EVENTS_MAX = 50;

interface GuardedParts {
  readonly store: Store;
  readonly services: ReloadableServices;
  readonly clock: Clock;
  readonly log: Log;
  readonly redis: RedisOptions;
  /** Where the database server runs; null: on this machine, so that its clock is ours. */
  readonly databaseHost: string | null;
  readonly settings: Pick<RenewalSettings, "observeMs">;
  /** Whether this process may ask CAs. Deployers often run where no CA can be reached. */
  readonly asksCa: boolean;
}

/** Compares this machine's clock with those of every CA, of the database server and of Redis. */
export function guardClock(parts: GuardedParts): ClockGuard {
  const { store, clock, settings, asksCa } = parts;
  return createClockGuard({
    clock,
    async witnesses(signal) {
      const asked = [database(parts), redis(parts), ...(asksCa ? cas(parts, signal) : [])];
      const answers = await Promise.all(asked);
      signal.throwIfAborted();
      return answers.filter((answer) => answer !== null);
    },
    async lastWriteAt() {
      const events = await store.events.list({ limit: EVENTS_MAX });
      // What a wrong clock reported of itself bears its own, wrong instant.
      const event = events.findLast(({ type }) => !CLOCK_EVENTS.includes(type))?.at ?? null;
      const next = await store.certificates.lastObservationDue();
      // The endpoints of each certificate are due again so long after they were taken, give or take the jitter.
      const observed = next === null ? null : next - 1.5 * settings.observeMs;
      return event === null && observed === null ? null : Math.max(event ?? 0, observed ?? 0);
    },
    onRepeat: ({ problem, dissents }) =>
      append(parts, "clock.repeated", {
        stopped: problem !== null,
        witnesses: dissents.map(({ witness }) => witness.origin),
      }),
    onChange: (verdict, before) => report(parts, verdict, before),
  });
}

async function database({ store, clock, databaseHost }: GuardedParts): Promise<ClockWitness | null> {
  if (databaseHost === null) return null;
  const time = await store.serverTime();
  return time === null
    ? null
    : { name: "the database server's clock", origin: databaseHost, issuers: [], aheadMs: time - clock.now() };
}

async function redis({ redis: options, clock }: GuardedParts): Promise<ClockWitness | null> {
  const answer = await redisTime(options, clock.now).catch(() => null);
  return answer && { name: "Redis' clock", origin: answer.host, issuers: [], aheadMs: answer.aheadMs };
}

function cas({ services, clock }: GuardedParts, signal: AbortSignal): Promise<ClockWitness | null>[] {
  const names = [...new Set(services.certificates().flatMap(({ issuer, fallbacks }) => [issuer, ...fallbacks]))];
  const byHost = Map.groupBy(names, (name) => services.caHost(name));
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
  return [...byHost].slice(0, CAS_MAX).map(async ([origin, issuers]) => {
    const [name = ""] = issuers;
    const witness = { name: `the CA's clock (issuer "${name}")`, origin, issuers };
    const ask = async (): Promise<number | null> => (await services.issuer(name).clockAheadMs?.(limited)) ?? null;
    try {
      let aheadMs = await ask();
      if (aheadMs !== null && Math.abs(aheadMs) > CLOCK_SKEW_MAX_MS) {
        await clock.sleep(ASK_AGAIN_MS, limited);
        aheadMs = await ask();
      }
      return aheadMs === null ? null : { ...witness, aheadMs };
    } catch (thrown) {
      const { code, message } = toRenewalError(thrown);
      return code === "clock.skewed" ? { ...witness, aheadMs: null, says: message } : null;
    }
  });
}

/** Also after a first verdict that is good: an earlier process of this host may have left the state behind. */
async function report(parts: GuardedParts, verdict: ClockVerdict, before: ClockVerdict | null): Promise<void> {
  const { store, log } = parts;
  const { problem, dissents } = verdict;
  const events =
    before === null && problem === null ? await store.events.list({ types: CLOCK_EVENTS, limit: EVENTS_MAX }) : [];
  const wasStopped = before?.problem != null || openClockProblems(events).some(({ host }) => host === hostname());
  if (problem !== null && before?.problem == null) {
    log.error(
      { problem },
      "the clock is wrong: nothing is planned, issued, deployed or verified by it until it is set",
    );
    await append(parts, "clock.skewed", { message: problem });
  }
  if (problem === null && wasStopped) {
    log.info({}, "the clock is right again: work goes on");
    await append(parts, "clock.recovered", {});
  }
  const [known, said] = [before?.dissents ?? [], new Set(before?.dissents.map(dissentKey))];
  for (const dissent of dissents) {
    if (said.has(dissentKey(dissent))) continue;
    const { witness, message, stopsIssuing } = dissent;
    log.warn({ issuers: witness.issuers }, message);
    await append(parts, "clock.dissent", { witness: witness.origin, issuers: witness.issuers, message, stopsIssuing });
  }
  if (problem !== null) return;
  const left = openDissents(events).filter(({ host }) => host === hostname());
  const current = new Set(dissents.map(({ witness }) => witness.origin));
  for (const witness of new Set([...known.map((each) => each.witness.origin), ...left.map((each) => each.witness)]))
    if (!current.has(witness)) await append(parts, "clock.dissentOver", { witness });
}

async function append({ store, clock, log }: GuardedParts, type: EventType, detail: EventDetail): Promise<void> {
  const event = { at: clock.now(), type, certificate: null, renewalId: null, target: null, detail };
  await store.events
    .append(event)
    .catch((thrown: unknown) => log.error({ err: toRenewalError(thrown) }, "event not written"));
}
