/** What a process can do. */
export const ROLES = ["planner", "acme", "deployer", "verifier"] as const;
export type Role = (typeof ROLES)[number];
