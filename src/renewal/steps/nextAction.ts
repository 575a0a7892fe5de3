import type { Deployment } from "../../domain/deployment.ts";
import { withoutClaim } from "../../domain/lease.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Context } from "../context.ts";
import { type Action, advance, askedBy, type Facts } from "../rules/advance.ts";
import { loadFacts } from "./reconcile.ts";

export interface MyClaim {
  readonly renewal: Renewal;
  /** The deployment that the caller has claimed; null: it has claimed the renewal itself. */
  readonly deployment: Deployment | null;
}

/**
 * What comes next for a renewal, as if the caller's own claim did not exist: `advance` makes everybody wait for a
 * claim. A worker asks this after it has claimed, because the work may have been done or cancelled before its claim.
 */
export async function nextActionIgnoringMyClaim(
  context: Context,
  { renewal, deployment }: MyClaim,
): Promise<{ action: Action; facts: Facts }> {
  const facts = await loadFacts(context, context.store, renewal);
  const now = context.clock.now();
  if (deployment === null) return { facts, action: advance({ ...renewal, ...withoutClaim(renewal) }, facts, now) };
  const unclaimed = { ...deployment, ...withoutClaim(deployment) };
  const deployments = facts.deployments.map((row) => (row.target === deployment.target ? unclaimed : row));
  return { facts, action: advance(renewal, askedBy(deployment.target, { ...facts, deployments }, now), now) };
}
