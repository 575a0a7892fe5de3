import type { Context } from "../context.ts";
import { warnOfExpiry } from "./expiry.ts";
import type { Parts } from "./parts.ts";
import { planDue } from "./plan.ts";
import { pollRenewalInfo } from "./renewalInfo.ts";

/**
 * One tick of a planner. Due work comes before what a CA may suggest; a suggestion takes effect at once. Returns whether
 * planning used up its time, so that more may be due.
 */
export async function planTick(context: Context, parts: Parts, signal: AbortSignal): Promise<boolean> {
  const { store, clock, settings } = context;
  await context.clockGuard.check(signal);
  await parts.run("ledger", () => store.ledger.prune(clock.now()), signal);
  const startedAt = clock.monotonic();
  await parts.run("plan", () => planDue(context, signal), signal);
  const isUnfinished = clock.monotonic() - startedAt >= settings.planBudgetMs;
  await parts.run("expiry", () => warnOfExpiry(context, signal), signal);
  const moved = await parts.run("renewalInfo", () => pollRenewalInfo(context, signal), signal);
  if ((moved ?? 0) > 0) await parts.run("plan", () => planDue(context, signal), signal);
  return isUnfinished;
}
