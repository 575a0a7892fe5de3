/** An address where another process answered a connection is suspected for so long. */
export const ATTESTED_MS = 10_000;
/** Places; what is dropped is attested again. */
const PLACES_MAX = 1_000;
/** Of one place. More than any proof takes. */
const COUNTED_MAX = 2_000;

/**
 * Connections of the last ten seconds whose other end a process was seen to hold, of all server names: which
 * process gets a connection is decided when it is opened, before any server name is sent. One whose other end the
 * process did not hold shows that not all of them reach it.
 */
export interface Attestations {
  add(place: string, isHeld: boolean): void;
  /** 0 for ten seconds after one that was not held. */
  count(place: string): number;
  isSuspect(place: string): boolean;
}

/** `now`: ms of a clock that is never set back. */
export function createAttestations(now: () => number): Attestations {
  const heldAt = new Map<string, number[]>();
  const missedAt = new Map<string, number>();
  const recentOf = (place: string): number[] => {
    const before = now() - ATTESTED_MS;
    return (heldAt.get(place) ?? []).filter((at) => at > before);
  };
  const isSuspect = (place: string): boolean => now() - (missedAt.get(place) ?? Number.NEGATIVE_INFINITY) < ATTESTED_MS;
  return {
    add(place, isHeld) {
      for (const known of [heldAt, missedAt]) if (known.size >= PLACES_MAX) known.clear();
      if (!isHeld) {
        missedAt.set(place, now());
        heldAt.delete(place);
        return;
      }
      heldAt.set(place, [...recentOf(place).slice(1 - COUNTED_MAX), now()]);
    },
    // Others of the same reading may have been added after the one that was missed.
    count: (place) => (isSuspect(place) ? 0 : recentOf(place).length),
    isSuspect,
  };
}
