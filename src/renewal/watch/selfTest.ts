import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Channel, Notification } from "../../domain/notification.ts";
import { HOUR_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { elapsed } from "../rules/alerts/lasting.ts";

const SEND_MAX_MS = 60_000;
/** One that failed is tried again sooner than after its interval. */
const AGAIN_MS = HOUR_MS;

/** Tries each channel whose turn it is. What fails is an alert on the others. Returns how many were tried. */
export async function selfTestChannels(context: Context, signal: AbortSignal): Promise<number> {
  await context.clockGuard.check(signal);
  const { store, services, settings, clock } = context;
  const { selfTestMs } = settings.alerts;
  if (selfTestMs === null) return 0;
  const now = clock.now();
  const channels = services.channels();
  const due = await store.transaction(async (tx) => {
    const state = await tx.alerts.lock();
    const kept = Object.fromEntries(Object.entries(state.selfTests).filter(([name]) => channels.has(name)));
    const names = [...channels.keys()].filter((name) => {
      const last = kept[name];
      return last === undefined || elapsed(last.at, now) >= (last.error === null ? selfTestMs : AGAIN_MS);
    });
    // Another planner must not try them as well.
    const taken = Object.fromEntries(names.map((name) => [name, { at: now, error: kept[name]?.error ?? null }]));
    await tx.alerts.saveState({ ...state, selfTests: { ...kept, ...taken } });
    return names;
  });
  for (const name of due) {
    const channel = channels.get(name);
    if (channel === undefined) continue;
    const error = await trySend(name, channel, now, signal);
    if (error === null) await store.cursors.retryNow(name);
    await store.transaction(async (tx) => {
      const state = await tx.alerts.lock();
      await tx.alerts.saveState({ ...state, selfTests: { ...state.selfTests, [name]: { at: now, error } } });
    });
  }
  return due.length;
}

async function trySend(name: string, channel: Channel, at: number, signal: AbortSignal): Promise<string | null> {
  const test: Notification = {
    ...({ id: `self-test-${at}`, at, severity: "info", event: "test", alert: "test", resolves: true } as const),
    ...{ certificate: null, renewalId: null, target: null, action: null, responsibility: null },
    message: `renewd: the regular test of channel ${name}; nothing is wrong`,
  };
  const deadline = AbortSignal.timeout(SEND_MAX_MS);
  try {
    await channel.send(test, AbortSignal.any([signal, deadline]));
    return null;
  } catch (thrown) {
    signal.throwIfAborted();
    const late = new RenewalError("notify.failed", `channel ${name}: did not end within ${SEND_MAX_MS / 1_000} s`);
    return toRenewalError(deadline.aborted ? late : thrown).message;
  }
}
