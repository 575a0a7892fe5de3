import type { Peer, PeerSource, PeerState } from "../domain/peer.ts";
import type { Store } from "../domain/store.ts";
import { formatAgo, formatInstant } from "../domain/time.ts";
import { isPeerUnknown, PEER_ACTION } from "../renewal/rules/peers.ts";
import { iso } from "./instant.ts";
import type { Notice } from "./notices.ts";

/** Another renewd that this one watches, and what it said last. Instants are ISO 8601. */
export interface PeerEntry {
  readonly peer: string;
  readonly url: string;
  /** `unknown`: it was not asked yet, or so long ago that nothing is known of now. */
  readonly state: PeerState | "unknown";
  /** Since when the answers have been the same. */
  readonly since: string | null;
  readonly askedAt: string | null;
  /** When its planner last completed a sweep, by its own word. */
  readonly sweptAt: string | null;
  readonly lastWellAt: string | null;
  readonly problem: string | null;
}

/** In the order of the configuration. */
export async function peersReport(
  store: Pick<Store, "peers">,
  configured: readonly Pick<PeerSource, "name" | "url">[],
  now: number,
): Promise<PeerEntry[]> {
  const known = new Map((await store.peers.list()).map((peer) => [peer.name, peer]));
  return configured.map(({ name, url }) => entryOf({ name, url }, known.get(name), now));
}

function entryOf({ name, url }: Pick<PeerSource, "name" | "url">, known: Peer | undefined, now: number): PeerEntry {
  const peer = known?.url === url ? known : null;
  return {
    ...{ peer: name, url, state: peer === null || isPeerUnknown(peer, now) ? "unknown" : peer.state },
    ...{ since: iso(peer?.since ?? null), askedAt: iso(peer?.askedAt ?? null), sweptAt: iso(peer?.sweptAt ?? null) },
    ...{ lastWellAt: iso(peer?.lastWellAt ?? null), problem: peer?.problem ?? null },
  };
}

/** What `renewd status` says of other renewds: those that are not well, and those of which nothing is known. */
export function peerNotices(peers: readonly Peer[], now: number): Notice[] {
  return peers.flatMap((peer): Notice[] => {
    const { name, url, state, problem, since, askedAt } = peer;
    const of = { id: `peer/${name}`, kind: "peer", needsPerson: true, certificates: [] } as const;
    if (isPeerUnknown(peer, now))
      return [
        {
          ...of,
          what: `peer ${name} (${url}): unknown, it was last asked ${formatAgo(now - askedAt)}`,
          action: "See why the planner does not ask it: `renewd status` and its log.",
        },
      ];
    if (state === "well") return [];
    const seen = `asked ${formatAgo(now - askedAt)}, so since ${formatInstant(since)}`;
    return [{ ...of, what: `peer ${name} (${url}): ${problem ?? state} (${seen})`, action: PEER_ACTION }];
  });
}
