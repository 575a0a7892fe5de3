// What new connections may see while certificates are swapped: always a good handshake, and nothing old once renewd has
// said "verified".

export interface Visit {
  /** ms since epoch, just before the connection was asked for. */
  readonly openedAt: number;
  /** SHA-256 of the leaf; null: the handshake failed. */
  readonly fingerprint: string | null;
  /** The first request got its answer. */
  readonly answered: boolean;
  /** Why the handshake failed. */
  readonly problem: string | null;
}

export interface Generation {
  readonly generation: number;
  readonly fingerprint: string;
  /** When its verification was recorded (ms since epoch); null: not yet. */
  readonly verifiedAt: number | null;
}

export interface Stale {
  readonly openedAt: number;
  /** null: a certificate that nobody issued. */
  readonly saw: number | null;
  /** The newest verified generation when it was opened (null: none yet), and for how long it had been, ms. */
  readonly verified: number | null;
  readonly lateMs: number;
}

export interface Continuity {
  readonly handshakes: number;
  readonly failed: readonly Visit[];
  /** Good handshakes whose first request was not answered. */
  readonly unanswered: number;
  /** Connections opened after a generation was verified that saw an older one, or one nobody issued. */
  readonly stale: readonly Stale[];
  /** Verified generations that no connection saw between their verification and the next. */
  readonly unseen: readonly number[];
  /**
   * From the last connection that saw a generation's predecessor to the verification, the shortest of all, ms; null:
   * never seen.
   */
  readonly marginMs: number | null;
}

/** `generations` of one certificate, ascending. */
export function judgeVisits(visits: readonly Visit[], generations: readonly Generation[]): Continuity {
  const known = new Map(generations.map(({ fingerprint, generation }) => [fingerprint, generation]));
  const verified = generations.flatMap(({ generation, verifiedAt }) =>
    verifiedAt === null ? [] : [{ generation, verifiedAt }],
  );
  const good = visits.flatMap((visit) =>
    visit.fingerprint === null ? [] : [{ visit, saw: known.get(visit.fingerprint) ?? 0 }],
  );
  const stale = good.flatMap(({ visit: { openedAt }, saw }): Stale[] => {
    const newest = verified.findLast(({ verifiedAt }) => verifiedAt < openedAt);
    if (saw !== 0 && (newest === undefined || saw >= newest.generation)) return [];
    return [
      {
        openedAt,
        saw: saw === 0 ? null : saw,
        verified: newest?.generation ?? null,
        lateMs: openedAt - (newest?.verifiedAt ?? openedAt),
      },
    ];
  });
  const unseen = verified.filter(({ generation, verifiedAt }, index) => {
    const until = verified[index + 1]?.verifiedAt ?? Number.POSITIVE_INFINITY;
    return !good.some(({ visit, saw }) => saw === generation && visit.openedAt > verifiedAt && visit.openedAt <= until);
  });
  const margins = verified.flatMap(({ generation, verifiedAt }) => {
    const last = good.findLast(({ visit, saw }) => saw < generation && visit.openedAt <= verifiedAt);
    return last === undefined ? [] : [verifiedAt - last.visit.openedAt];
  });
  return {
    handshakes: visits.length,
    failed: visits.filter(({ fingerprint }) => fingerprint === null),
    unanswered: good.filter(({ visit }) => !visit.answered).length,
    stale,
    unseen: unseen.map(({ generation }) => generation),
    marginMs: margins.length === 0 ? null : Math.min(...margins),
  };
}
