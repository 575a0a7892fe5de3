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
  /** Message and advice, a paragraph each. */
  readonly body: string;
  /** `body`, and `link` as its last line. */
  readonly text: string;
  /** Where its reader acknowledges. As it is: nothing may be escaped in it, or cut from it. */
  readonly link: string | null;
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
  more = [],
  acknowledge,
  acknowledgeUrl,
}: Notification): Words {
  const line = inertLine(message);
  const advice = action === null ? null : inertLine(action);
  const facts: (readonly [string, string | null])[] = [
    ["Certificate", certificate],
    ["Target", target],
    ["Renewal", renewalId],
    ...(responsibility === null ? [] : responsibilityFacts(responsibility)),
    ...more,
    ["More", moreOf(renewalId, acknowledge?.alert ?? null)],
  ];
  const mark = resolves ? "over" : severity;
  const body = `[${mark}] ${line}${advice === null ? "" : `\nWhat to do: ${advice}`}`;
  return {
    message: line,
    action: advice,
    title: sanitize(`[${mark}] ${line}`, TITLE_MAX),
    ...{ body, text: acknowledgeUrl === undefined ? body : `${body}\nAcknowledge: ${acknowledgeUrl}` },
    facts: facts.flatMap(([name, value]) => (value === null ? [] : [[name, inertLine(value)] as const])),
    link: acknowledgeUrl ?? null,
    at: isoInstant(at),
  };
}

function moreOf(renewalId: string | null, alert: string | null): string {
  if (alert !== null) return `renewd alerts ${alert}`;
  return renewalId === null ? "renewd status" : `renewd show ${renewalId.slice(0, 8)}`;
}

/** By severity; `over` for what resolves. */
export function bySeverity<T>(notification: Notification, of: Readonly<Record<Severity | "over", T>>): T {
  return of[notification.resolves ? "over" : notification.severity];
}
