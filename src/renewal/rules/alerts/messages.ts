import type { Alert } from "../../../domain/alert.ts";
import type { EventDetail, EventType } from "../../../domain/event.ts";
import { SEVERITIES, type Severity } from "../../../domain/notification.ts";
import { formatDuration, formatInstant } from "../../../domain/time.ts";

/** A message about alerts: an event of the history, which is the outbox. */
export interface AlertMessage {
  readonly type: Extract<EventType, `alert.${string}`>;
  readonly certificate: string | null;
  readonly target: string | null;
  readonly detail: EventDetail;
}

const NAMED_MAX = 10;
const LISTED_MAX = 20;

type Kind = "opened" | "raised" | "escalated" | "resolved" | "acknowledged";

/**
 * The words about one alert. `channels`: who is sent it. `alert.notified`: what the message before said; of one that is
 * raised, that is not yet this one.
 */
export function messageOf(kind: Kind, alert: Alert, channels: readonly string[], now: number): AlertMessage {
  const [only] = alert.affected.length === 1 ? alert.affected : [];
  return {
    type: `alert.${kind}`,
    certificate: only ?? null,
    target: alert.place.target,
    detail: {
      ...{ alert: alert.id, rule: alert.rule, cause: alert.cause, code: alert.code },
      severity: kind === "acknowledged" || kind === "resolved" ? "info" : alert.severity,
      ...(kind !== "opened" && { severityBefore: alert.notified?.severity ?? null }),
      message: `${headline(alert)}${AFTERWORDS[kind](alert, now)}`,
      action: kind === "resolved" || kind === "acknowledged" ? null : alert.action,
      certificates: alert.affected.slice(0, LISTED_MAX),
      count: alert.affected.length,
      firstBadAt: alert.firstBadAt,
      changed: [...alert.changed],
      channels: [...channels],
      step: alert.step,
      acknowledgements: alert.acknowledgements,
      expiresAt: soonestExpiry(alert),
    },
  };
}

const AFTERWORDS: Readonly<Record<Kind, (alert: Alert, now: number) => string>> = {
  opened: () => "",
  raised: ({ isLast }) => (isLast ? " [last threshold]" : " [worse]"),
  escalated: ({ step, notifiedAt }, now) =>
    ` [step ${step}: nobody has acknowledged it for ${formatDuration(now - (notifiedAt ?? now))}]`,
  resolved: ({ firstBadAt }, now) => ` [over after ${formatDuration(now - firstBadAt)}]`,
  acknowledged: ({ acknowledgement }) =>
    ` [acknowledged by ${acknowledgement?.by ?? "somebody"}: ${acknowledgement?.reason ?? ""}]`,
};

export interface Digest {
  readonly channels: readonly string[];
  readonly step: number;
  /** null: people have no address of the pages. */
  readonly webUrl: string | null;
}

/** One message instead of many. A link acknowledges one alert, so it has none of those but that of the page. */
export function digestOf(alerts: readonly Alert[], { channels, step, webUrl }: Digest): AlertMessage {
  const severity = SEVERITIES.toReversed().find((each) => alerts.some((alert) => alert.severity === each)) ?? "warning";
  const shown = alerts.slice(0, NAMED_MAX).map((alert) => `${alert.id} ${headline(alert).slice(0, 100)}`);
  const rest = alerts.length > NAMED_MAX ? `; and ${alerts.length - NAMED_MAX} more` : "";
  const again = step === 0 ? "" : ` nobody has acknowledged (step ${step})`;
  return {
    ...{ type: "alert.digest", certificate: null, target: null },
    detail: {
      ...{ severity, count: alerts.length, channels: [...channels], step, over: false },
      message: `renewd: ${alerts.length} more alerts${again}: ${shown.join("; ")}${rest}`,
      action:
        `See ${webUrl === null ? "" : `${webUrl}/alerts or `}\`renewd alerts\`, and acknowledge each there: causes with ` +
        "most certificates and the shortest time left come first.",
      alerts: alerts.map(({ id }) => id),
    },
  };
}

export function digestOver(channels: readonly string[]): AlertMessage {
  return {
    ...{ type: "alert.digest", certificate: null, target: null },
    detail: {
      ...{ severity: "info" satisfies Severity, count: 0, channels: [...channels], step: 0, over: true },
      message: "renewd: the alerts of the last digest are over",
      ...{ action: null, alerts: [] },
    },
  };
}

/** `www: renewal failed: …`, `73 certificates at target lb: renewal failed: …`. */
export function headline({ affected, place, what }: Pick<Alert, "affected" | "place" | "what">): string {
  const [first] = affected;
  if (first === undefined) return `renewd: ${what}`;
  if (affected.length === 1) return `${first}: ${what}`;
  const where = placeText(place);
  return `${affected.length} certificates${where === "" ? "" : ` (${where})`}: ${what}`;
}

export function placeText({ issuer, solver, target, subject }: Alert["place"]): string {
  const parts = [
    issuer === null ? "" : `issuer ${issuer}`,
    solver === null ? "" : `solver ${solver}`,
    target === null ? "" : `target ${target}`,
    subject ?? "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

export function soonestExpiry({ members }: Pick<Alert, "members">): number | null {
  const known = members.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [expiresAt]));
  return known.length === 0 ? null : Math.min(...known);
}

/** Short facts of a message, for people: which certificates, since when, what changed then. */
export function factsOf(detail: EventDetail): (readonly [string, string])[] {
  const { alert, cause, certificates, count, firstBadAt, changed, expiresAt } = detail;
  const names = Array.isArray(certificates) ? certificates : [];
  const more = typeof count === "number" && count > names.length ? ` and ${count - names.length} more` : "";
  const facts: (readonly [string, string | null])[] = [
    ["Alert", typeof alert === "string" ? alert : null],
    ["Cause", typeof cause === "string" ? cause : null],
    ["Certificates", names.length < 2 ? null : `${names.join(", ")}${more}`],
    ["Since", typeof firstBadAt === "number" ? formatInstant(firstBadAt) : null],
    ["Changed before", Array.isArray(changed) && changed.length > 0 ? changed.join("; ") : null],
    ["First to expire", typeof expiresAt === "number" ? formatInstant(expiresAt) : null],
  ];
  return facts.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
}
