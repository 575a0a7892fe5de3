import { isWatchedOnly } from "../renewal/rules/served.ts";
import { progressOf } from "./fleet.ts";
import { iso } from "./instant.ts";
import { isOverdue } from "./notices.ts";
import type { Case, Problem } from "./problems.ts";

export interface Examined extends Case {
  readonly problems: readonly Problem[];
}

/** Certificates that are known to be well without being read now: see `SteadyPart`. */
export interface Rest {
  readonly provedLive: number;
  /** Without an endpoint that could prove it. */
  readonly notProved: number;
  readonly nextExpiry: { readonly certificate: string; readonly at: number } | null;
  /** No proof of theirs is older. */
  readonly oldestProofAt: number | null;
  /** When the first of them was read. */
  readonly checkedSince: number | null;
}

export const NO_REST: Rest = { provedLive: 0, notProved: 0, nextExpiry: null, oldestProofAt: null, checkedSince: null };

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
  /**
   * Every row was read, and its seal checked, since this instant; of a small fleet all are read now. What has changed
   * since then is read now in any case.
   */
  readonly checkedSince: string;
}

/** Nothing issued means nothing valid to serve: as urgent as expired just now. */
export function byExpiry(a: Examined, b: Examined): number {
  return (a.expiresAt ?? a.now) - (b.expiresAt ?? b.now);
}

export function summaryOf(examined: readonly Examined[], rest: Rest, inFlight: number, now: number): Summary {
  const healthy = examined.filter(({ problems }) => problems.length === 0);
  const quiet = healthy.filter(({ member }) => member.active === null);
  const issued = quiet.filter(({ member }) => member.version !== null).map(({ member }) => progressOf(member));
  const watched = quiet.filter(({ member: { certificate, version } }) => isWatchedOnly(certificate, version)).length;
  const live = issued.filter(({ provedLive }) => provedLive);
  const unknown = issued.filter(({ unknownSince }) => unknownSince !== null).length;
  const isPaused = ({ member: { record } }: Examined): boolean =>
    record !== null && record.pausedAt !== null && (record.pausedUntil ?? Number.POSITIVE_INFINITY) > now;
  const elsewhere = rest.provedLive + rest.notProved;
  const proofs = [
    ...live.map(({ provedAt }) => provedAt ?? now),
    ...(rest.oldestProofAt === null ? [] : [rest.oldestProofAt]),
  ];
  return {
    provedLive: live.length + rest.provedLive,
    unknown,
    notProved: issued.length - live.length - unknown + rest.notProved,
    notIssued: quiet.length - issued.length - watched,
    observed: watched,
    renewing: healthy.length - quiet.length,
    withProblems: examined.length - healthy.length,
    certificates: examined.length + elsewhere,
    inFlight,
    paused: examined.filter(isPaused).length,
    plannerSaw: examined.filter(({ member }) => member.record !== null && !isOverdue(member, now)).length + elsewhere,
    oldestProofAt: proofs.length === 0 ? null : iso(Math.min(...proofs)),
    nextExpiry: nextExpiry(examined, rest, now),
    checkedSince: iso(rest.checkedSince ?? now),
  };
}

function nextExpiry(examined: readonly Examined[], rest: Rest, now: number): Summary["nextExpiry"] {
  const ends = examined.flatMap(({ member, expiresAt: at }) =>
    at !== null && at > now ? [{ certificate: member.certificate.name, at }] : [],
  );
  const [soonest] = [...ends, ...(rest.nextExpiry === null ? [] : [rest.nextExpiry])].sort(
    (a, b) => a.at - b.at || (a.certificate < b.certificate ? -1 : 1),
  );
  return soonest === undefined ? null : { certificate: soonest.certificate, at: iso(soonest.at) };
}
