/** The parts of a planner's tick, and what it does beside them. Each runs alone. */
export const PLANNER_PARTS = [
  ...(["ledger", "plan", "expiry", "renewalInfo"] as const),
  ...([
    "rehearsal",
    "rehearsalRequests",
    "canary",
    "drills",
    "horizon",
    "peers",
    "exercise",
    "report",
    "selfTest",
  ] as const),
  ...(["discovery", "retention", "bounds", "revocations", "steady"] as const),
] as const;
export type PlannerPart = (typeof PLANNER_PARTS)[number];

const NAMES: Readonly<Record<PlannerPart, string>> = {
  ledger: "counting the CAs' limits",
  plan: "planning",
  expiry: "warning of expiry",
  renewalInfo: "asking CAs when to renew",
  rehearsal: "rehearsing renewals",
  rehearsalRequests: "starting rehearsals that were asked for",
  canary: "renewing the canary",
  drills: "measuring drills",
  horizon: "watching what else ends",
  peers: "asking other renewds",
  exercise: "exercising the alarm",
  report: "mailing the weekly report",
  selfTest: "testing channels",
  discovery: "discovering certificates",
  retention: "removing what is older than `retention`",
  bounds: "correcting impossible times",
  revocations: "looking for revoked certificates",
  steady: "checking the rows of a large fleet",
};

/** As people read it. `part` comes from history, so a newer release may have written it. */
export function partName(part: string): string {
  const known = PLANNER_PARTS.find((each) => each === part);
  return known === undefined ? part : NAMES[known];
}
