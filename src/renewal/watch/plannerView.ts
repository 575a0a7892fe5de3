import { MINUTE_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";

/** A planner checks what is due within a minute; ten times that is no delay any more. */
const OVERDUE_MS = 10 * MINUTE_MS;

export interface PlannerView {
  /** Configured certificates whose check is not overdue. */
  readonly saw: number;
  /** All that are configured. */
  readonly of: number;
}

/** How much of what is configured the planner has seen. */
export async function plannerView({
  store,
  services,
  clock,
}: Pick<Context, "store" | "services" | "clock">): Promise<PlannerView> {
  const of = services.certificates().length;
  return { saw: Math.min(of, await store.certificates.countSeen(clock.now() - OVERDUE_MS)), of };
}
