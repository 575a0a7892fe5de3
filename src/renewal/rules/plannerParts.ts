/** The parts of a planner's tick. Each runs alone. */
export const PLANNER_PARTS = ["ledger", "plan", "expiry", "renewalInfo"] as const;
export type PlannerPart = (typeof PLANNER_PARTS)[number];

const NAMES: Readonly<Record<PlannerPart, string>> = {
  ledger: "counting the CAs' limits",
  plan: "planning",
  expiry: "warning of expiry",
  renewalInfo: "asking CAs when to renew",
};

/** As people read it. `part` comes from history, so a newer release may have written it. */
export function partName(part: string): string {
  const known = PLANNER_PARTS.find((each) => each === part);
  return known === undefined ? part : NAMES[known];
}
