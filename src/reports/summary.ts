import { isWatchedOnly } from "../renewal/rules/served.ts";
import { progressOf } from "./fleet.ts";
import { iso } from "./instant.ts";
import { isOverdue } from "./notices.ts";
import type { Case, Problem } from "./problems.ts";

export interface Examined extends Case {
  readonly problems: readonly Problem[];
}

/** Every certificate counts in exactly one of the first seven. */
export interface Summary {
  /** Handshakes showed the latest version, not longer ago than observation promises. */
  readonly provedLive: number;
  /** They did, but too long ago. */
  readonly unknown: number;
  readonly notProved: number;
  readonly notIssued: number;
  /** `mode: observe`, without a pair that renewd knows. */
  readonly observed: number;
  /** In flight without a problem. */
  readonly renewing: number;
  readonly withProblems: number;
  readonly certificates: number;
  /** With or without a problem. */
  readonly inFlight: number;
  readonly paused: number;
  /** Certificates that the planner has seen and whose next check is not overdue. */
  readonly plannerSaw: number;
  /** The oldest proof of those that count as proved live. */
  readonly oldestProofAt: string | null;
  readonly nextExpiry: { readonly certificate: string; readonly at: string } | null;
}

/** Nothing issued means nothing valid to serve: as urgent as expired just now. */
export function byExpiry(a: Examined, b: Examined): number {
  return (a.expiresAt ?? a.now) - (b.expiresAt ?? b.now);
}

export function summaryOf(examined: readonly Examined[], inFlight: number, now: number): Summary {
  const healthy = examined.filter(({ problems }) => problems.length === 0);
  const quiet = healthy.filter(({ member }) => member.active === null);
  const issued = quiet.filter(({ member }) => member.version !== null).map(({ member }) => progressOf(member));
  const watched = quiet.filter(({ member: { certificate, version } }) => isWatchedOnly(certificate, version)).length;
  const live = issued.filter(({ provedLive }) => provedLive);
  const unknown = issued.filter(({ unknownSince }) => unknownSince !== null).length;
  const [soonest] = examined.filter(({ expiresAt }) => expiresAt !== null && expiresAt > now).sort(byExpiry);
  const isPaused = ({ member: { record } }: Examined): boolean =>
    record !== null && record.pausedAt !== null && (record.pausedUntil ?? Number.POSITIVE_INFINITY) > now;
  return {
    provedLive: live.length,
    unknown,
    notProved: issued.length - live.length - unknown,
    notIssued: quiet.length - issued.length - watched,
    observed: watched,
    renewing: healthy.length - quiet.length,
    withProblems: examined.length - healthy.length,
    certificates: examined.length,
    inFlight,
    paused: examined.filter(isPaused).length,
    plannerSaw: examined.filter(({ member }) => member.record !== null && !isOverdue(member, now)).length,
    oldestProofAt: live.length === 0 ? null : iso(Math.min(...live.map(({ provedAt }) => provedAt ?? now))),
    nextExpiry:
      soonest === undefined || soonest.expiresAt === null
        ? null
        : { certificate: soonest.member.certificate.name, at: iso(soonest.expiresAt) },
  };
}
