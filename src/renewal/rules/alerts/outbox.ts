import type { Alert } from "../../../domain/alert.ts";
import { escalationStep } from "./escalation.ts";
import type { JudgeInput } from "./judgeInput.ts";
import { elapsed, ONCE } from "./lasting.ts";
import { type AlertMessage, digestOf, digestOver, messageOf } from "./messages.ts";
import { isHeldBack } from "./quietHours.ts";
import { channelsFor, isFrom, rank } from "./routing.ts";

/** The members of an alert have grown so much that it is news. */
const GROWTH = { factor: 5, more: 10 };

/** Collects what people are sent, and makes a digest of what would be a storm. */
export class Outbox {
  readonly messages: AlertMessage[] = [];
  readonly openings: number[] = [];
  readonly #input: JudgeInput;
  #room: number;
  /** By escalation step; 0: they are new. */
  readonly #digested = new Map<number, Alert[]>();

  constructor(input: JudgeInput) {
    this.#input = input;
    const { recent, settings, now } = input;
    this.#room = settings.storm.alertsMax - recent.filter((at) => elapsed(at, now) < settings.storm.windowMs).length;
  }

  add(alert: Alert): Alert {
    if (alert.resolvedAt !== null) return this.#resolve(alert);
    if (alert.healthySince !== null) return alert;
    if (alert.notifiedAt === null) return this.#open(alert);
    return this.#openAgain(alert) ?? this.#escalate(this.#raise(alert));
  }

  #resolve(alert: Alert): Alert {
    if (alert.notifiedAt !== null && !alert.digested && !isSilentEnd(alert))
      this.#send("resolved", alert, alert.channels);
    return alert;
  }

  #open(alert: Alert): Alert {
    const { settings, now, routing } = this.#input;
    const isEarly = elapsed(alert.openedAt, now) < settings.openAfterMs && !alert.isLast;
    if (isEarly || isHeldBack(alert, settings.quietHours, now)) return alert;
    const channels = union(channelsFor(alert, routing), this.#channelsOfStep(alert));
    const opened = { ...alert, notifiedAt: now, notified: notifiedOf(alert), channels };
    if (this.#room <= 0 && !alert.isLast) {
      const digested = { ...opened, digested: true };
      this.#digest(0, digested);
      return digested;
    }
    this.#room -= 1;
    this.openings.push(now);
    this.#send("opened", opened, channels);
    return opened;
  }

  /** Of one that begins with a step of the escalation: who would be next, had the others not answered. */
  #channelsOfStep({ step }: Alert): string[] {
    const { settings, routing } = this.#input;
    return (settings.escalation[step - 1]?.channels ?? []).filter((name) => routing.channels.has(name));
  }

  /** Every channel that was sent it has left the configuration, or there was none: others are, once there are any. */
  #openAgain(alert: Alert): Alert | null {
    const { channels } = this.#input.routing;
    if (alert.acknowledgement !== null || alert.channels.some((name) => channels.has(name))) return null;
    if (channelsFor(alert, this.#input.routing).length === 0) return null;
    const again = { ...alert, digested: false, step: 0 };
    const opened = this.#open(again);
    return opened === again ? null : opened;
  }

  /** Worse than people know: a threshold was crossed, it became a page, or many more certificates have it. */
  #raise(alert: Alert): Alert {
    const { settings, now, routing } = this.#input;
    const { notified } = alert;
    if (notified === null || isHeldBack(alert, settings.quietHours, now)) return alert;
    const isWorse = alert.level > notified.level || rank(alert.severity) > rank(notified.severity);
    const count = alert.members.length;
    const hasGrown = count >= notified.members * GROWTH.factor && count >= notified.members + GROWTH.more;
    if (!isWorse && !hasGrown) return alert;
    const channels = channelsFor(alert, routing);
    // Who took it on did so when there was more time.
    const acknowledgement = isWorse && alert.isLast ? null : alert.acknowledgement;
    const raised = {
      ...alert,
      notified: notifiedOf(alert),
      channels: union(alert.channels, channels),
      acknowledgement,
    };
    this.#send("raised", { ...raised, notified }, channels);
    return raised;
  }

  #escalate(alert: Alert): Alert {
    const { settings, now } = this.#input;
    const { notifiedAt, acknowledgement, step } = alert;
    const next = escalationStep(settings, step);
    if (notifiedAt === null || acknowledgement !== null || next === null) return alert;
    if (elapsed(notifiedAt, now) < next.afterMs || !isFrom(alert.severity, next.from)) return alert;
    if (isHeldBack(alert, settings.quietHours, now)) return alert;
    const known = next.channels.filter((name) => this.#input.routing.channels.has(name));
    const escalated = { ...alert, step: step + 1, channels: union(alert.channels, known) };
    if (known.length > 0 && alert.digested) this.#digest(escalated.step, { ...escalated, channels: known });
    else if (known.length > 0) this.#send("escalated", escalated, known);
    return escalated;
  }

  #digest(step: number, alert: Alert): void {
    this.#digested.set(step, [...(this.#digested.get(step) ?? []), alert]);
  }

  #send(kind: Parameters<typeof messageOf>[0], alert: Alert, channels: readonly string[]): void {
    this.messages.push(messageOf(kind, alert, channels, this.#input.now));
  }

  /** Sends the digest of what was held, and says when the last alert of digests is over. */
  endDigest(alerts: readonly Alert[]): readonly Alert[] {
    const { webUrl } = this.#input.settings;
    for (const [step, digested] of this.#digested)
      this.messages.push(digestOf(digested, { channels: channelsOf(digested), step, webUrl }));
    const before = this.#input.open.filter(({ digested }) => digested);
    const left = alerts.some(({ digested, resolvedAt }) => digested && resolvedAt === null);
    if (before.length > 0 && !left) this.messages.push(digestOver(channelsOf(before)));
    return alerts;
  }
}

/** A warning about something that happened once. */
function isSilentEnd({ rule, severity }: Alert): boolean {
  return ONCE.includes(rule) && severity !== "page";
}

function notifiedOf({ severity, level, members }: Alert): NonNullable<Alert["notified"]> {
  return { severity, level, members: members.length };
}

function channelsOf(alerts: readonly Alert[]): string[] {
  return [...new Set(alerts.flatMap(({ channels }) => channels))];
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])];
}
