import type { Notification, Severity } from "../domain/notification.ts";
import { responsibilityFacts } from "../domain/responsibility.ts";
import { inertLine, sanitize } from "../domain/text.ts";
import { isoInstant } from "../domain/time.ts";

/** A notification in words, each of one line without characters that act. */
export interface Words {
  readonly message: string;
  readonly action: string | null;
  /** For one line, such as a subject. */
  readonly title: string;
  /** All of it, a paragraph each. */
  readonly text: string;
  /** Short facts for people, by their name. */
  readonly facts: readonly (readonly [string, string])[];
  /** ISO 8601. */
  readonly at: string;
}

const TITLE_MAX = 160;

export function wordsOf({
  message,
  action,
  severity,
  certificate,
  target,
  renewalId,
  at,
  resolves,
  responsibility,
}: Notification): Words {
  const line = inertLine(message);
  const advice = action === null ? null : inertLine(action);
  const facts: [string, string | null][] = [
    ["Certificate", certificate],
    ["Target", target],
    ["Renewal", renewalId],
    ...(responsibility === null ? [] : responsibilityFacts(responsibility)),
    ["More", renewalId === null ? "renewd status" : `renewd show ${renewalId.slice(0, 8)}`],
  ];
  const mark = resolves ? "over" : severity;
  return {
    message: line,
    action: advice,
    title: sanitize(`[${mark}] ${line}`, TITLE_MAX),
    text: `[${mark}] ${line}${advice === null ? "" : `\nWhat to do: ${advice}`}`,
    facts: facts.flatMap(([name, value]) => (value === null ? [] : [[name, inertLine(value)] as const])),
    at: isoInstant(at),
  };
}

/** By severity; `over` for what resolves. */
export function bySeverity<T>(notification: Notification, of: Readonly<Record<Severity | "over", T>>): T {
  return of[notification.resolves ? "over" : notification.severity];
}
