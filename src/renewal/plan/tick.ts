import type { Context } from "../context.ts";
import { warnOfExpiry } from "./expiry.ts";
import type { Parts } from "./parts.ts";
import { planDue } from "./plan.ts";
import { pollRenewalInfo } from "./renewalInfo.ts";

/** One tick of a planner. Due work comes before what a CA may suggest; a suggestion takes effect at once. */
export async function planTick(context: Context, parts: Parts, signal: AbortSignal): Promise<void> {
  const { store, clock } = context;
  await context.clockGuard.check(signal);
  await parts.run("ledger", () => store.ledger.prune(clock.now()), signal);
  await parts.run("plan", () => planDue(context, signal), signal);
  await parts.run("expiry", () => warnOfExpiry(context, signal), signal);
  const moved = await parts.run("renewalInfo", () => pollRenewalInfo(context, signal), signal);
  if ((moved ?? 0) > 0) await parts.run("plan", () => planDue(context, signal), signal);
}
