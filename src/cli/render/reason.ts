import type { Reason, Trigger } from "../../domain/renewal.ts";

/** As people read it in a table; JSON has the code. */
const REASON: Readonly<Record<Reason, string>> = {
  missing: "first issue",
  renewalWindow: "expiry nears",
  renewalInfo: "CA asks",
  emergency: "expiry is near",
  identifiersChanged: "names changed",
  issuerChanged: "issuer changed",
  keyChanged: "key changed",
  revoked: "revoked",
  drift: "not in place",
  targetChanged: "target changed",
  restored: "restored",
  redeploy: "redeploy",
  rollback: "roll back",
  requested: "requested",
};

/** `requested` by the planner is a replacement of many that a person started. */
export function reasonText(reason: string, trigger: Trigger | string): string {
  if (reason === "requested" && trigger === "planner") return "replacement";
  return Object.hasOwn(REASON, reason) ? REASON[reason as Reason] : reason;
}
