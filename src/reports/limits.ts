import { takingTurns } from "../domain/turns.ts";
import { byKey, type Charge, describeLimit, freeAt, keyOf, left, spend } from "../renewal/rules/budget.ts";
import { chargesFor, isFreeOfBudget } from "../renewal/rules/decide.ts";
import { type Member, planDecisionOf } from "./fleet.ts";
import { iso } from "./instant.ts";

/** A limit of a CA that what is due now would exceed. */
export interface ExhaustedLimit {
  readonly issuer: string;
  /** Such as `50 certificates per registered domain in 7 d (example.org)`. */
  readonly limit: string;
  /** Orders it still allows now. */
  readonly left: number;
  /** Orders that are due now, those it holds back included. */
  readonly wanted: number;
  /** When it allows the last of them. */
  readonly lastAt: string;
}

/** Routine work leaves a part of each larger limit to emergencies, so a limit is told of before it is wholly used. */
export async function exhaustedLimits(fleet: readonly Member[], now: number): Promise<ExhaustedLimit[]> {
  const turn = takingTurns();
  const drawn = new Map<string, { readonly charge: Charge; readonly issuer: string; wanted: number }>();
  for (const member of fleet) {
    await turn();
    if (!wantsOrder(member, now)) continue;
    for (const charge of chargesFor(member.certificate, member.version, member.budget.ca)) {
      if (!charge.spends) continue;
      const known = drawn.get(keyOf(charge));
      if (known === undefined) drawn.set(keyOf(charge), { charge, issuer: member.budget.ca.issuer, wanted: 1 });
      else known.wanted += 1;
    }
  }
  const buckets = fleet[0]?.budget.buckets ?? new Map();
  return [...drawn.values()].flatMap(({ charge, issuer, wanted }) => {
    let bucket = buckets.get(keyOf(charge));
    const available = left(charge, bucket, now);
    let lastAt = now;
    for (let order = 0; order < wanted; order++) {
      lastAt = Math.max(lastAt, freeAt(charge, bucket, false));
      [bucket] = spend([charge], byKey(bucket === undefined ? [] : [bucket]), lastAt);
    }
    return lastAt <= now
      ? []
      : [{ issuer, limit: describeLimit(charge), left: available, wanted, lastAt: iso(lastAt) }];
  });
}

function wantsOrder(member: Member, now: number): boolean {
  const decision = planDecisionOf(member, now);
  return (
    decision !== null &&
    (decision.due ? !isFreeOfBudget(member, decision.reason, now) : decision.blockedBy === "budget")
  );
}
