import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { readSecret } from "../config/read/readSecret.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import { type Ping, pingHeartbeat } from "../notify/heartbeat.ts";
import type { Context } from "../renewal/context.ts";
import { plannerView } from "../renewal/watch/plannerView.ts";
import type { Beats } from "./beats.ts";
import { repeat } from "./repeat.ts";

/** Waits between the tries of one ping; after the last, the next ping is the next try. */
const RETRIES_MS = [1_000, 5_000];
const CHECK_MS = 1_000;

export interface HeartbeatOptions {
  readonly context: Pick<Context, "store" | "services" | "clock" | "log">;
  readonly config: () => Pick<Config, "heartbeat" | "file">;
  readonly note: Beats["note"];
  readonly retriesMs?: readonly number[];
  readonly checkMs?: number;
}

export interface PlannerHeartbeat {
  /** A planner's part of work was completed; `failing`: what went wrong in it, nothing if empty. */
  done(what: "plan" | "sweep" | "alerts", failing: readonly string[]): void;
  close(): Promise<void>;
}

/**
 * Asks the configured URL only after plan, sweep and alerts were completed since the last time: a planner that hangs, a
 * database that is away and an alert engine that fails all mean silence, which the receiver reports.
 */
export function startHeartbeat({ context, config, note, ...times }: HeartbeatOptions): PlannerHeartbeat {
  const { clock, log } = context;
  const { retriesMs = RETRIES_MS, checkMs = CHECK_MS } = times;
  const done = new Map<string, readonly string[]>();
  let startedAt: number | null = null;
  let pingedAt = Number.NEGATIVE_INFINITY;

  const ping = async (kind: Ping["kind"], text: string, signal: AbortSignal): Promise<void> => {
    const { heartbeat, file } = config();
    if (heartbeat === null) return;
    const written = (await readSecret(heartbeat.url, dirname(file), processEnvironment)).reveal().trim();
    const url = URL.parse(written);
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new RenewalError("config.secret", "heartbeat: `url` does not refer to an http or https URL");
    for (const waitMs of [...retriesMs, null]) {
      try {
        return await pingHeartbeat({ url, style: heartbeat.style, kind, text }, signal);
      } catch (thrown) {
        if (waitMs === null || signal.aborted) throw thrown;
        await delay(waitMs, undefined, { signal });
      }
    }
  };

  const beat = async (signal: AbortSignal): Promise<void> => {
    const { heartbeat } = config();
    if (heartbeat === null) return note("heartbeat", null);
    try {
      if (startedAt === null) {
        startedAt = clock.monotonic();
        await ping("start", "the planner has started", signal);
      }
      if (clock.monotonic() - pingedAt < heartbeat.everyMs) return;
      if (!["plan", "sweep", "alerts"].every((what) => done.has(what))) return;
      const failing = [...new Set([...done.values()].flat())];
      const { saw, of } = await plannerView(context);
      pingedAt = clock.monotonic();
      const missed = saw < of ? [`${of - saw} certificates are overdue`] : [];
      const wrong = [...failing, ...missed];
      const text = `planner saw ${saw} of ${of}${wrong.length === 0 ? "" : `; ${wrong.join("; ")}`}`;
      await ping(wrong.length === 0 ? "success" : "fail", text, signal);
      done.clear();
      note("heartbeat", null);
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toRenewalError(thrown);
      log.warn({ err: error }, "heartbeat not sent");
      note("heartbeat", {
        message: error.message,
        action:
          "Check `heartbeat.url` and whether this machine reaches it: the service that receives it raises an alarm while it is silent.",
      });
    }
  };
  const beating = repeat(checkMs, beat, (thrown) => log.error({ err: toRenewalError(thrown) }, "heartbeat failed"));
  return {
    done(what, failing) {
      done.set(what, failing);
    },
    close: () => beating.close(),
  };
}
