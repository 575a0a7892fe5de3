import type { AlertSettings, EscalationStep } from "../../../domain/alertSettings.ts";

/**
 * The step that follows after so many were taken, with its time since the first message; null: there is none. After the
 * last one they begin again where that is configured, until somebody acknowledges.
 */
export function escalationStep(
  { escalation, escalateAgainMs }: Pick<AlertSettings, "escalation" | "escalateAgainMs">,
  taken: number,
): EscalationStep | null {
  const step = escalation[taken % Math.max(1, escalation.length)];
  const last = escalation.at(-1);
  const round = Math.floor(taken / Math.max(1, escalation.length));
  if (step === undefined || last === undefined || (round > 0 && escalateAgainMs === null)) return null;
  return { ...step, afterMs: step.afterMs + round * (last.afterMs + (escalateAgainMs ?? 0)) };
}
