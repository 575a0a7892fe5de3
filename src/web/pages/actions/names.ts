/** What people decide in pages and programs through the API: one table for both. */
export const ACTION_NAMES = [
  "renew",
  "retry",
  "resume",
  "pause",
  "deploy",
  "rollback",
  "rehearse",
  "dial",
  "check",
  "check-target",
  "test-channel",
  "audit",
  "acknowledge",
  "withdraw",
  "take-alert",
  "leave-alert",
  "exercise",
  "drill",
  "replace",
  "cancel-replacement",
  "ignore-found",
  "unignore-found",
] as const;
export type ActionName = (typeof ACTION_NAMES)[number];

export function isActionName(name: string): name is ActionName {
  return ACTION_NAMES.some((each) => each === name);
}
