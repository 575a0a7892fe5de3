import { setMaxListeners } from "node:events";
import type { Started } from "../actions/context.ts";
import { toRenewalError } from "../domain/errors.ts";
import { ERRORS, isErrorCode } from "../domain/errorTable.ts";
import { isActive, type RenewalState } from "../domain/renewal.ts";
import { inert } from "../domain/text.ts";
import { formatDuration } from "../domain/time.ts";
import { streamEvents } from "../renewal/operator/streamEvents.ts";
import { eventError, eventSentence } from "../reports/eventSentence.ts";
import { iso, spoken } from "../reports/instant.ts";
import type { Followed, FollowedRenewal } from "./desk/desk.ts";
import type { Exit } from "./exit.ts";
import type { Output } from "./output.ts";
import { paint } from "./terminal/style.ts";

/** How a renewal stood when waiting for it ended. */
export interface Ended {
  readonly renewalId: string;
  readonly state: RenewalState | null;
  readonly error: { readonly code: string; readonly message: string; readonly action: string } | null;
  readonly exit: Exit;
}

/**
 * Shows every event of the renewals until all have ended, time is up or the person presses Ctrl-C; the renewals go on
 * in any case.
 */
export async function watch(
  app: Followed,
  started: readonly Started[],
  timeoutMs: number,
  output: Output,
): Promise<Ended[]> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort(new Error("interrupted"));
  process.once("SIGINT", onInterrupt);
  const signal = AbortSignal.any([timeout, interrupt.signal]);
  setMaxListeners(started.length + 10, signal);
  try {
    return await Promise.all(
      started.map(async (each) => {
        try {
          return endedOf(each, await watchOne(app, each, signal, output), app.clock.now(), output);
        } catch (thrown) {
          if (!signal.aborted) throw toRenewalError(thrown);
          return leftRunning(app, each, interrupt.signal.aborted ? "interrupted" : "timeout", output);
        }
      }),
    );
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}

async function watchOne(
  app: Followed,
  { certificate, renewalId }: Started,
  signal: AbortSignal,
  output: Output,
): Promise<FollowedRenewal | null> {
  const events = streamEvents(app, renewalId, signal);
  for (;;) {
    const next = await events.next();
    if (next.done) return next.value;
    const style = eventError(next.value) === null ? null : "wrong";
    const time = paint(output.screen, "faint", spoken(iso(next.value.at)));
    output.progress(`${time}  ${inert(certificate)}  ${paint(output.screen, style, eventSentence(next.value))}`);
  }
}

function endedOf(
  { certificate, renewalId }: Started,
  renewal: FollowedRenewal | null,
  now: number,
  output: Output,
): Ended {
  if (renewal === null) return { renewalId, state: null, error: null, exit: "wrong" };
  const { state, errorCode: code, errorMessage, createdAt, finishedAt } = renewal;
  const after = formatDuration((finishedAt ?? now) - createdAt);
  output.progress(
    `${inert(certificate)}  ${paint(output.screen, state === "succeeded" ? "strong" : "wrong", state)} after ${after}`,
  );
  if (state === "succeeded") return { renewalId, state, error: null, exit: "ok" };
  const error =
    code === null
      ? null
      : { code, message: errorMessage ?? "", action: ERRORS[isErrorCode(code) ? code : "internal.bug"].action };
  if (error !== null) output.note(`  what to do: ${error.action} [${error.code}]`);
  return { renewalId, state, error, exit: "wrong" };
}

async function leftRunning(
  { store, clock }: Followed,
  { certificate, renewalId }: Started,
  exit: Exit,
  output: Output,
): Promise<Ended> {
  const renewal = await store.renewals.get(renewalId);
  // It may have ended in the very moment.
  if (renewal !== null && !isActive(renewal.state))
    return endedOf({ kind: "started", certificate, renewalId, via: "queue" }, renewal, clock.now(), output);
  output.note(
    `${certificate}: still ${renewal?.state ?? "unknown"}; it goes on: \`renewd show ${renewalId.slice(0, 8)}\``,
  );
  return { renewalId, state: renewal?.state ?? null, error: null, exit };
}
