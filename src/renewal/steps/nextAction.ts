import { withoutClaim } from "../../domain/lease.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { type Action, advance } from "../rules/advance.ts";
import type { LoadedFacts } from "../rules/facts.ts";
import { loadFacts } from "./loadFacts.ts";

/**
 * What comes next for a renewal, as if the caller's own claim did not exist: `advance` makes everybody wait for a
 * claim. A worker asks this when it has claimed the renewal, because the work may have been done or cancelled before.
 */
export async function nextActionIgnoringMyClaim(
  context: Context,
  store: Store,
  renewal: Renewal,
): Promise<{ action: Action; facts: LoadedFacts }> {
  const facts = await loadFacts(context, store, renewal);
  const unclaimed = { ...renewal, ...withoutClaim(renewal) };
  return { facts, action: advance(unclaimed, facts, context.clock.now()) };
}
