/** What carries renewals out. */
export const RENEWAL_ROLES = ["planner", "acme", "deployer", "verifier"] as const;
/** What a process can do. `web` shows and steers: no renewal waits for it. */
export const ROLES = [...RENEWAL_ROLES, "web"] as const;
export type Role = (typeof ROLES)[number];
