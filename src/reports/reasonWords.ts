import type { Reason } from "../domain/renewal.ts";

/** Why a certificate was renewed, to be read after "because". JSON has the code. */
export const REASON_WORDS: Readonly<Record<Reason, string>> = {
  missing: "nothing was issued",
  renewalWindow: "its window opened",
  renewalInfo: "the CA asked for it",
  emergency: "it was about to expire",
  identifiersChanged: "its names changed",
  issuerChanged: "its issuer changed",
  keyChanged: "its key type changed",
  revoked: "it was revoked",
  drift: "a target lacked it",
  targetChanged: "a target changed",
  restored: "a backup was restored",
  redeploy: "deployed again",
  rollback: "rolled back",
  requested: "requested",
};

/** Of the history: a newer renewd may have written a reason that this one does not know. */
export function reasonWords(reason: string): string {
  return Object.hasOwn(REASON_WORDS, reason) ? REASON_WORDS[reason as Reason] : reason;
}
