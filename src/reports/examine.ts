import { NAMES_MAX, type Store } from "../domain/store.ts";
import { takingTurns } from "../domain/turns.ts";
import type { PlanDecision } from "../renewal/rules/decide.ts";
import { type Member, planDecisionOf } from "./fleet.ts";
import { earliestPairs } from "./inUse.ts";
import type { Need } from "./needs.ts";
import { problemsOf } from "./problems.ts";
import type { Examined } from "./summary.ts";
import { differencesAmong } from "./vantages.ts";

/** What the rules find in each certificate: a constant number of statements for each part of the fleet. */
export async function examineFleet(
  store: Store,
  fleet: readonly Member[],
  missing: readonly Need[],
  now: number,
): Promise<Examined[]> {
  const examined: Examined[] = [];
  const turn = takingTurns();
  for (let from = 0; from < fleet.length; from += NAMES_MAX) {
    const members = fleet.slice(from, from + NAMES_MAX);
    // Only of a certificate with a renewal to speak of anything is asked.
    const failed = members.filter(({ active, record }) => active === null && (record?.failures ?? 0) > 0);
    const last = await store.renewals.lastOf(failed.map(({ certificate }) => certificate.name));
    const ended = new Map(last.map((renewal) => [renewal.certificate, renewal]));
    const renewalOf = (member: Member) => member.active ?? ended.get(member.certificate.name) ?? null;
    const lastEventAt = await store.events.lastOf(members.flatMap((member) => renewalOf(member)?.id ?? []));
    const earliest = await earliestPairs(store, members);
    const differences = await differencesAmong(store, members);
    for (const member of members) {
      const renewal = renewalOf(member);
      const facts = {
        member,
        decision: attemptDecision(member, now),
        renewal,
        lastEventAt: renewal === null ? null : (lastEventAt.get(renewal.id) ?? null),
        expiresAt: earliest.get(member.certificate.name)?.notAfter ?? null,
        earliest: earliest.get(member.certificate.name) ?? null,
        differences: differences.get(member.certificate.name) ?? [],
        missing,
        now,
      };
      examined.push({ ...facts, problems: problemsOf(facts) });
      await turn();
    }
  }
  return examined;
}

/** null: no planner has seen it yet, or it cannot be planned, which its record says. */
function attemptDecision(member: Member, now: number): PlanDecision | null {
  try {
    return planDecisionOf(member, now);
  } catch {
    return null;
  }
}
