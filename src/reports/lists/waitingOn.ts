import type { Blocker } from "../../renewal/rules/decide.ts";
import { deathsOf, stoppedBy, waitsUntil } from "../failures.ts";
import { isQuarantined } from "../problems.ts";
import type { Examined } from "../summary.ts";
import { isClaimed } from "../waiting.ts";

/** What a certificate waits on: one of these for every certificate at every instant. */
export const WAITING_ON = {
  window: "its renewal window",
  planner: "the planner",
  person: "a person",
  retry: "its next attempt",
  bake: "a wave that bakes",
  worker: "a free worker",
  work: "work under way",
  earlierWave: "an earlier wave",
  observed: "nothing: observed only",
  paused: "the end of a pause",
  distrusted: "a trusted issuer",
  backedOff: "the end of a back-off",
  restored: "a look after the restore",
  frozen: "the end of a freeze",
  outsideWindow: "a maintenance window",
  budget: "the CA's limit",
} as const satisfies Readonly<Record<Exclude<Blocker, "inFlight">, string>> & Readonly<Record<string, string>>;
export type WaitingOn = keyof typeof WAITING_ON;

export function waitingOn({ member, decision, now }: Examined): WaitingOn {
  const { active, record } = member;
  if (active?.state === "held" || isQuarantined(record)) return "person";
  if (active !== null) {
    if (waitsUntil(member, now) !== null)
      return stoppedBy(member).length > 0 || deathsOf(member, now) > 0 ? "retry" : "bake";
    return isClaimed(member, now) ? "work" : "worker";
  }
  // A pause comes before every other reason: nothing happens until somebody ends it.
  if (decision?.due === false && isPaused(record, now)) return "paused";
  if (decision === null || decision.due || decision.blockedBy === "inFlight") return "planner";
  return decision.blockedBy ?? "window";
}

function isPaused(record: Examined["member"]["record"], now: number): boolean {
  return record !== null && record.pausedAt !== null && (record.pausedUntil ?? Number.POSITIVE_INFINITY) > now;
}
