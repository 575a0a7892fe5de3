import { deathsOf, nextDialOf, stoppedBy, unprovedEndpoints, waitsUntil } from "./failures.ts";
import { type Member, nextLookAt } from "./fleet.ts";
import { iso } from "./instant.ts";
import { isQuarantined } from "./problems.ts";
import type { Examined } from "./summary.ts";
import { atWork, roleOf } from "./waiting.ts";

export interface Next {
  readonly at: string | null;
  readonly what: string;
}

/** What happens next to a certificate, and when. */
export function nextOf({ member, decision, missing, now }: Examined): Next {
  const { active, record } = member;
  if (active?.state === "held") return { at: null, what: "nothing until it is resumed or rolled back" };
  if (active !== null) {
    const until = waitsUntil(member, now);
    const role = roleOf(active.state);
    const isUnserved = missing.some((need) => need.role === role && need.target === null && need.vantage === undefined);
    return until === null || isUnserved
      ? { at: null, what: atWork(member, missing, now) }
      : { at: iso(until), what: goesOn(member, now) };
  }
  if (isQuarantined(record)) return { at: null, what: "nothing until it is resumed" };
  if (decision !== null && !decision.due && decision.blockedBy === "paused") {
    return decision.until === null
      ? { at: null, what: "nothing until it is resumed" }
      : { at: iso(decision.until), what: "the pause ends" };
  }
  const at = nextLookAt(member, decision);
  const dialAt = unprovedEndpoints(member).length > 0 ? nextDialOf(member) : null;
  if (dialAt !== null && (at === null || dialAt < at))
    return { at: iso(Math.max(dialAt, now)), what: "its endpoints are dialled again" };
  if (at !== null && decision !== null && !decision.due && decision.blockedBy === "restored")
    return { at: iso(Math.max(at, now)), what: "its endpoints are dialled" };
  if (at === null) return { at: null, what: "nothing: no planner has taken it up" };
  const hasPlanner = !missing.some(({ role }) => role === "planner");
  return at > now
    ? { at: iso(at), what: "a renewal is tried again" }
    : {
        at: null,
        what: hasPlanner ? "the planner takes it up at its next tick" : "waits for a planner, and none runs",
      };
}

function goesOn(member: Member, now: number): string {
  const deaths = deathsOf(member, now);
  if (deaths > 0) return `${deaths} workers in a row died at it; tries again`;
  return stoppedBy(member).length > 0 ? "tries again" : "goes on";
}
