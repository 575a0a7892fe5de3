import { Hono } from "hono";
import { toRenewalError } from "../domain/errors.ts";
import { isLive } from "../domain/heartbeat.ts";
import type { WebContext, WebEnv, WebRoutes } from "./context.ts";

/** Without a planner that finishes something for this long, renewals are neither planned nor swept. */
const SWEEP_AGE_MAX_MS = 300_000;
const ANSWER_TIMEOUT_MS = 3_000;

interface Check {
  readonly name: "database" | "planner" | "sweep" | "queue";
  readonly ok: boolean;
  /** Why, in one sentence. */
  readonly reason: string;
}

/**
 * `/healthz`: this process answers. `/readyz`: renewd does its work, or why not. Names of certificates are in neither.
 */
export function healthRoutes(web: WebContext): WebRoutes {
  return new Hono<WebEnv>()
    .get("/healthz", (request) => request.json({ status: "ok" }))
    .get("/readyz", async (request) => {
      const { checks, sweepAgeSeconds } = await readiness(web);
      const isReady = checks.every(({ ok }) => ok);
      return request.json({ status: isReady ? "ready" : "notReady", checks, sweepAgeSeconds }, isReady ? 200 : 503);
    });
}

interface Readiness {
  readonly checks: readonly Check[];
  /** How long ago a planner last planned or swept, by this clock; null: not known. Other renewds judge it. */
  readonly sweepAgeSeconds: number | null;
}

async function readiness(web: WebContext): Promise<Readiness> {
  const { store, clock } = web.renewal;
  const late = clock.sleep(ANSWER_TIMEOUT_MS, AbortSignal.timeout(ANSWER_TIMEOUT_MS * 2)).then(() => null);
  const beats = await Promise.race([store.health.beats(), late]).catch((thrown: unknown) => toRenewalError(thrown));
  if (beats === null)
    return unknown({ name: "database", ok: false, reason: `no answer within ${ANSWER_TIMEOUT_MS / 1_000} s` });
  // The message may hold a host or a path, and this page goes without a token.
  if (!Array.isArray(beats)) return unknown({ name: "database", ok: false, reason: `it fails with ${beats.code}` });
  const now = clock.now();
  const database: Check = { name: "database", ok: true, reason: "answers" };
  const planners = beats.filter((beat) => beat.role === "planner" && isLive(beat, now));
  const lastAt = Math.max(...beats.map(({ role, usefulAt }) => (role === "planner" ? (usefulAt ?? 0) : 0)));
  const sweepAgeSeconds = lastAt > 0 ? Math.max(0, Math.round((now - lastAt) / 1_000)) : null;
  if (planners.length === 0)
    return { checks: [database, { name: "planner", ok: false, reason: "no planner runs" }], sweepAgeSeconds };
  const usefulAt = Math.max(...planners.map((beat) => beat.usefulAt ?? beat.startedAt));
  const ageMs = Math.max(0, now - usefulAt);
  const isQueueAway = planners.every(({ problems }) => problems.some(({ kind }) => kind === "redis"));
  const checks: readonly Check[] = [
    database,
    { name: "planner", ok: true, reason: `${planners.length} ${planners.length === 1 ? "runs" : "run"}` },
    {
      name: "sweep",
      ok: ageMs < SWEEP_AGE_MAX_MS,
      reason: `the last one ended ${Math.round(ageMs / 1_000)} s ago`,
    },
    { name: "queue", ok: !isQueueAway, reason: isQueueAway ? "no planner reaches Redis" : "Redis answers" },
  ];
  return { checks, sweepAgeSeconds };
}

function unknown(check: Check): Readiness {
  return { checks: [check], sweepAgeSeconds: null };
}
