import { raceAbort } from "../../domain/abort.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Channel, Notification } from "../../domain/notification.ts";
import type { Context } from "../context.ts";
import type { Asked } from "./checkTarget.ts";

const SEND_MAX_MS = 20_000;

/** Sends a test message, so that a broken channel is found before it is needed; null: it was taken. Recorded. */
export async function testChannel(
  context: Pick<Context, "store" | "clock">,
  name: string,
  channel: Channel,
  { by, why }: Asked,
  signal: AbortSignal,
): Promise<RenewalError | null> {
  const { store, clock } = context;
  const error = await send(name, channel, clock.now(), signal);
  // It works again: what it could not deliver need not wait for the end of its back-off.
  if (error === null) await store.cursors.retryNow(name);
  await store.events.append({
    at: clock.now(),
    type: "channel.tested",
    certificate: null,
    renewalId: null,
    target: null,
    detail: {
      ...{ channel: name, sent: error === null, by },
      ...(error !== null && { code: error.code, message: error.message, action: error.facts.action }),
      ...(why !== null && { why }),
    },
  });
  return error;
}

async function send(name: string, channel: Channel, at: number, signal: AbortSignal): Promise<RenewalError | null> {
  const deadline = AbortSignal.timeout(SEND_MAX_MS);
  const bounded = AbortSignal.any([signal, deadline]);
  const message: Notification = {
    id: `test-${at}`,
    at,
    severity: "info",
    event: "test",
    certificate: null,
    renewalId: null,
    target: null,
    message: `renewd: a test message by channel ${name}`,
    action: null,
    alert: "test",
    // So that it leaves no open alert behind.
    resolves: true,
    responsibility: null,
  };
  try {
    await raceAbort(bounded, () => channel.send(message, bounded));
    return null;
  } catch (thrown) {
    if (thrown !== deadline.reason) return toRenewalError(thrown);
    return new RenewalError("notify.failed", `the channel did not end within ${SEND_MAX_MS / 1_000} s`);
  }
}
